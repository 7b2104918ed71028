"""`prism worker`, tied to the process that started it: `python -m stream_app.local.tethered_worker`.

The demo holds the other end of standard input. When the demo is gone, even by kill -9, the pipe closes and the worker
ends itself, so that no worker is ever left behind. Prism in production is started as `prism worker`, without this.
"""

import os
import signal
import sys
import threading
import time
from typing import Final

GRACE_SECONDS: Final = 20.0


def _end_with_parent() -> None:
    # os.read, not sys.stdin: a thread that waits inside sys.stdin holds a lock that the interpreter wants at exit.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(70)


def main() -> int:
    """Run the worker until it ends, or the process that started it does."""
    threading.Thread(target=_end_with_parent, name="tether", daemon=True).start()
    from stream_app.cli import main as run_command

    return run_command(["worker"])


if __name__ == "__main__":
    sys.exit(main())

"""`prism worker`, tied to the process that started it: `python -m stream_app.local.tethered_worker`.

The demo holds the other end of standard input. When the demo is gone, even by kill -9, the pipe closes and the worker
ends itself, so that no worker is ever left behind. Prism in production is started as `prism worker`, without this.
"""

import os
import runpy
import signal
import sys
import threading
import time
from typing import Final

GRACE_SECONDS: Final = 20.0
EXIT_NOT_DRAINED: Final = 75


def tie_to_parent() -> None:
    """End this process as SIGTERM would once whoever holds the other end of its standard input is gone."""
    threading.Thread(target=_end_with_parent, name="tether", daemon=True).start()


def _end_with_parent() -> None:
    # os.read, not sys.stdin: a thread that waits inside sys.stdin holds a lock that the interpreter wants at exit.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(EXIT_NOT_DRAINED)


def main() -> None:
    """Run the worker until it ends, or the process that started it does."""
    tie_to_parent()
    sys.argv = ["prism", "worker"]
    runpy.run_module("stream_app", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""`python -m stream_app` is `prism`."""

import sys

from stream_app.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""The parser of the command line: a usage error is two lines and an exit code."""

import argparse
import sys
from typing import NoReturn

from stream_app.exit_codes import ExitCode


class CommandParser(argparse.ArgumentParser):
    """A parser of `prism` or of one of its commands."""

    usage_code: int = ExitCode.USAGE
    """What a usage error ends the process with."""

    def error(self, message: str) -> NoReturn:
        """End the process with the usage and the reason."""
        self.print_usage(sys.stderr)
        self.exit(self.usage_code, f"prism: {message}\n")

"""What the process tells its supervisor when it ends; the numbers follow BSD's sysexits.h."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `prism`."""

    OK = 0
    USAGE = 64
    BROKER_UNREACHABLE = 69
    BROKEN_MACHINE = 70
    DRAIN_EXCEEDED = 75
    PERMISSION = 77
    CONFIGURATION = 78

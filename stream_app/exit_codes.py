"""What the process tells its supervisor when it ends; the numbers follow BSD's sysexits.h.

| code | from | meaning |
|---|---|---|
| 0 | all commands | done; of a load test: every objective was met; of `prism doctor`: no problem |
| 1 | `prism doctor` | there are problems |
| 1 | `prism replay`, `prism capacity` | an objective was missed |
| 2 | `prism replay`, `prism capacity` | what was asked for cannot be done |
| 3 | `prism replay`, `prism capacity` | the run is no result: invalid or interrupted |
| 64 | all other commands | what was asked for cannot be done |
| 69 | all commands | no broker answers |
| 70 | all commands | the machine, or what runs on it, is broken |
| 75 | `prism worker` | a batch was not finished in time |
| 77 | all commands | the broker denies it |
| 78 | all commands | settings, topics or the model are wrong |
| 130 | all commands | Ctrl-C, before there was anything to keep |
"""

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


class DoctorCode(IntEnum):
    """Of `prism doctor`: whatever the problem is, one code; a wrong command line is USAGE as everywhere."""

    FINE = 0
    PROBLEMS = 1


class LoadTestCode(IntEnum):
    """Of `prism replay` and `prism capacity`: a verdict, as tools that judge have it; other failures as everywhere."""

    PASS = 0
    SLO_MISSED = 1
    USAGE = 2
    NO_RESULT = 3

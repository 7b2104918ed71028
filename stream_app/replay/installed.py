"""Whether what only the load test needs is installed."""

from importlib.util import find_spec
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode

MODULES: Final = ("altair", "hdrh", "jinja2", "psutil", "pyarrow", "rich", "vl_convert", "zstandard")


class NotInstalledError(PrismError):
    """A library is missing."""

    exit_code = LoadTestCode.USAGE


def ensure_installed() -> None:
    """Ensure that all libraries of the load test are there, without loading them.

    Raises:
        NotInstalledError: one is not.
    """
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise NotInstalledError(f"load tests need {', '.join(missing)}: pip install 'prism-explain[replay]'")

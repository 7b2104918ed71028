import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without these Chromium looks up its maker's hosts at every start; --no-sandbox because containers run tests as root.
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="module")  # While it lives, its event loop runs in this thread: no test that wants its own could.
def browser() -> Iterator["Browser"]:
    """A headless Chromium of the system; without one the test is skipped, or fails where it is required."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        reason = f"no Chromium: none of {', '.join(NAMES)} is on the path"
        if os.environ.get("PRISM_REQUIRE_CHROMIUM") == "1":
            pytest.fail(f"PRISM_REQUIRE_CHROMIUM=1, but {reason}")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=Path(executable), args=QUIET)
        yield browser
        browser.close()

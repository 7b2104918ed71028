"""The folder of a run: report.json, report.html, charts as images, what was sent, and the workers' logs."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.logbook import Logbook
from stream_app.replay.measurements import Report
from stream_app.replay.sent_log import NAME, write_sent

REPORT_NAME: Final = "report.json"
PAGE_NAME: Final = "report.html"


class FolderError(PrismError):
    """A folder, or a report in it, cannot be read or written."""

    exit_code = LoadTestCode.USAGE


def ensure_new(folder: Path) -> None:
    """Make the folder of a run.

    Raises:
        FolderError: there is a report in it already, or it cannot be made.
    """
    if (folder / REPORT_NAME).exists():
        raise FolderError(f"{folder} has the report of another run: choose another folder, or another run id")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"cannot write {folder}: {error.strerror or error}") from error


def save_run(folder: Path, report: Report, book: Logbook) -> None:
    """Save all of a run; the report first, since a page can be made again."""
    save_report(folder, report)
    write_sent(folder / NAME, book)
    draw_report(folder, report)


def save_report(folder: Path, report: Report) -> None:
    """Save `report.json`, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{REPORT_NAME}.partial"
    partial.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / REPORT_NAME)


def draw_report(folder: Path, report: Report, other: Report | None = None) -> Path:
    """Write the page, and the charts as images where it is about one run; returns the page's path."""
    from stream_app.replay.charts import write_images
    from stream_app.replay.page import render_page

    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE_NAME
    page.write_text(render_page(report, other), encoding="utf-8")
    if other is None:
        write_images(report, folder)
    return page


def load_report(path: Path) -> Report:
    """Load a report from its file, or from its run's folder.

    Raises:
        FolderError: there is none, or it is something else.
    """
    file = path / REPORT_NAME if path.is_dir() else path
    try:
        return Report.model_validate_json(file.read_bytes())
    except OSError as error:
        raise FolderError(f"cannot read {file}: {error.strerror or error}") from error
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False)[0]["loc"])) or "the whole file"
        raise FolderError(f"{file} is no report of this version: {place} is wrong") from error

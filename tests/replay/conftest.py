"""The browser of the rating form's tests, for the report's page."""

from tests.offline.human_eval.conftest import browser

__all__ = ["browser"]

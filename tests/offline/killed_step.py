"""A step that copies lines one by one, and the same step in a process that is killed half-way."""

import os
import signal
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from offline.steps import StepContext, StepManifest, run_step


class CopyOptions(BaseModel):
    """What is written behind each line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suffix: str = "!"
    repeats: int = 1


class CopyStep:
    """Appends to `lines.txt` and goes on after its last line; may kill its process after some lines."""

    def __init__(self, source: Path, dies_after: int | None = None) -> None:
        self.source = source
        self.dies_after = dies_after
        self.runs = 0
        self.files_seen: set[str] = set()

    def __call__(self, options: CopyOptions, context: StepContext) -> None:
        """Do the step."""
        self.runs += 1
        target = context.folder / "lines.txt"
        lines = self.source.read_text(encoding="utf-8").splitlines()
        done = target.read_text(encoding="utf-8").count("\n") if target.exists() else 0
        with target.open("a", encoding="utf-8") as file:
            for line in lines[done:]:
                file.write(f"{line}{options.suffix * options.repeats}\n")
                file.flush()
                done += 1
                if done == self.dies_after:
                    os.kill(os.getpid(), signal.SIGKILL)
        context.counts["lines"] = done
        self.files_seen = {path.name for path in context.folder.iterdir()}


def run_copy(
    folder: Path, step: CopyStep, options: CopyOptions | None = None, seed: int = 1, base: Path | None = None
) -> StepManifest:
    """Run the step; `base` is where the recipe lies."""
    context = StepContext(folder=folder, seed=seed, base=base or folder.parent)
    return run_step("copy", options or CopyOptions(), context, step, files=[step.source])


if __name__ == "__main__":
    run_copy(Path(sys.argv[1]), CopyStep(Path(sys.argv[2]), dies_after=int(sys.argv[3])))

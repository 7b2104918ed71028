"""What wires the packaged model."""

import threading
from pathlib import Path

import pytest

from stream_app.bootstrap import ModelFolders
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.warm_up import warm_up
from stream_app.runtime.memory import release_freed_memory

PAGE_BYTES = 4096
STATUS = Path("/proc/self/statm")


def read_memory() -> int:
    return int(STATUS.read_text(encoding="ascii").split()[1]) * PAGE_BYTES


@pytest.mark.skipif(not STATUS.exists(), reason="memory is read from /proc")
def test_models_that_replace_each_other_do_not_add_up_in_memory() -> None:
    source = ModelFolders()
    edition = source.locate(None)
    held: list[ExplanationPipeline] = []
    memory: list[int] = []

    def replace() -> None:
        pipeline = source.load(edition, threads=2)
        assert warm_up(pipeline).name == "prism-small"
        held[:] = [pipeline]

    for _ in range(8):
        thread = threading.Thread(target=replace)
        thread.start()
        thread.join()
        release_freed_memory()
        memory.append(read_memory())
    # A model is 27 MB on the disk; the first load also pays for the libraries.
    assert max(memory[2:]) - memory[1] < 25_000_000, memory

from pathlib import Path

import pytest

from offline.oracle.batch_log import BatchLog
from offline.oracle.engines import FinishedBatch
from offline.oracle.port import Answer
from offline.steps import StepError

FIRST = FinishedBatch(number=0, answers=(Answer(("é\nb",), 3, 4),))
SECOND = FinishedBatch(number=1, answers=(Answer(()),))


def test_what_was_appended_is_loaded(tmp_path: Path) -> None:
    log = BatchLog(tmp_path / "scratch" / "log.jsonl", FinishedBatch)
    assert list(log.load()) == []
    log.append(SECOND)
    log.append(FIRST)
    assert list(log.load()) == [SECOND, FIRST]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_cut_off_and_the_log_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "log.jsonl"
    log = BatchLog(path, FinishedBatch)
    log.append(FIRST)
    log.append(SECOND)
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(log.load()) == [FIRST]
    log.append(SECOND)
    assert list(log.load()) == [FIRST, SECOND]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(StepError, match="line 1 is damaged"):
        list(BatchLog(path, FinishedBatch).load())

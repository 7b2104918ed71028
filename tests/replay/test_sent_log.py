from pathlib import Path

import pytest

from stream_app.replay.ledger import Ledger
from stream_app.replay.logbook import Logbook, Stretch
from stream_app.replay.sent_log import SentLogError, list_sent, read_sent, write_sent
from tests.replay.linked import build_run, play_plan
from tests.replay.simulated import Published, SimulatedSystem


def test_what_was_sent_is_read_as_it_was_written(tmp_path: Path) -> None:
    def drop(number: int, published: Published) -> list[Published]:
        return [] if number == 5 else [published]

    book = play_plan(build_run(tmp_path), lambda loop: SimulatedSystem(loop, alter=drop)).book
    path = tmp_path / "sent.jsonl.zst"
    write_sent(path, book)
    events = list(read_sent(path))
    assert events == list(list_sent(book))
    assert [event.event_id for event in events if event.open_item_ids] == ["evening-5"]
    assert events[10].intended_at == pytest.approx(book.started_at.timestamp() + 1.0, abs=0.001)
    assert not path.with_name("sent.jsonl.zst.partial").exists()


def test_an_unreadable_record_is_an_item_without_an_id(tmp_path: Path) -> None:
    ledger = Ledger("r")
    ledger.note_sent("r-0", ("",), 1.0)
    write_sent(tmp_path / "sent", Logbook(stretches=[Stretch(ledger)]))
    [event] = read_sent(tmp_path / "sent")
    assert (event.item_ids, event.open_item_ids) == (("",), ("",))


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SentLogError, match="cannot read"):
        list(read_sent(tmp_path / "missing"))
    (tmp_path / "noise").write_bytes(b"noise")
    with pytest.raises(SentLogError, match="damaged"):
        list(read_sent(tmp_path / "noise"))
    from stream_app.replay.recording import open_recording
    from tests.replay.linked import write_recording

    recording = write_recording(tmp_path)
    assert list(open_recording(recording))
    with pytest.raises(SentLogError, match="line 1"):
        list(read_sent(recording))

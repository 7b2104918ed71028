from stream_app.core.events import RankingEvent
from stream_app.core.per_event import PerEvent
from tests.factories import build_event


def test_it_is_computed_once_for_one_event_after_the_other() -> None:
    seen: list[str] = []

    @PerEvent
    def note_id(event: RankingEvent) -> str:
        seen.append(event.event_id)
        return event.event_id

    first, second = build_event(event_id="a"), build_event(event_id="b")
    assert [note_id(event) for event in (first, first, second, second, first)] == ["a", "a", "b", "b", "a"]
    assert seen == ["a", "b", "a"]


def test_an_equal_event_is_another_one() -> None:
    seen: list[RankingEvent] = []
    remember = PerEvent(lambda event: seen.append(event))
    remember(build_event())
    remember(build_event())
    assert len(seen) == 2

from stream_app.replay.measurements import Report
from tests.replay.reporting import build_report


def test_the_schema_explains_every_part_and_every_field() -> None:
    schema = Report.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert part["description"]
        for name, field in part["properties"].items():
            assert field.get("description"), f"{part['title']}.{name}"


def test_a_report_is_the_same_after_it_was_written_and_read() -> None:
    report = build_report()
    assert Report.model_validate_json(report.model_dump_json()) == report

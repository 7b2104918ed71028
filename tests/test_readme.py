"""The README's example is what the packaged model writes, and its producer sends a valid event."""

import ast
import re
from pathlib import Path
from typing import Any

import orjson

from stream_app.bootstrap import build_pipeline
from stream_app.core.events import decode_event
from stream_app.core.pipeline import Explained

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def _list_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_explanation_is_what_the_example_event_gets() -> None:
    event, expected = _list_blocks("json")[:2]
    [outcome] = build_pipeline(None, threads=1).explain([event.encode()])
    assert isinstance(outcome, Explained)
    written = outcome.explanations[0].model_dump(mode="json")
    shown: dict[str, Any] = orjson.loads(expected)
    assert {name: written[name] for name in shown} == shown


def test_the_example_producer_sends_a_valid_event() -> None:
    tree = ast.parse(_list_blocks("python")[0])
    [event] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "event"
    ]
    assert decode_event(orjson.dumps(event)).items

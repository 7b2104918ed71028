"""Real events to start from: the repository's own, each as a JSON document."""

import gzip
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from tests.core.test_injections import INJECTIONS, place_injection
from tests.factories import build_document

ROOT = Path(__file__).parents[2]
INVENTED_ROWS = ROOT / "offline" / "recipes" / "data" / "invented_dev.jsonl.gz"
GOLDEN = ROOT / "tests" / "contracts" / "golden"


def load_corpus() -> list[dict[str, Any]]:
    """Load events of every domain that the student was trained for, the golden ones, and the injections."""
    with gzip.open(INVENTED_ROWS) as lines:
        documents = [orjson.loads(line)["event"] for line in islice(lines, 200)]
    documents += [orjson.loads(path.read_bytes()) for path in sorted(GOLDEN.glob("event_*.json"))]
    documents += [build_document(**place_injection(injection)) for injection in INJECTIONS]
    return documents

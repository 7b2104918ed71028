"""Measure a converted student, beside baselines that show what each figure is worth.

`step.py` is the whole path: `writing.py` lets the worker's own pipeline write (`texts.jsonl`), `systems.py` adds the
baselines, `scores.py` scores each text, `figures.py` makes means, intervals and tests of the scores (`evaluation.json`,
schema in `report.py`), `page.py` shows them.
"""

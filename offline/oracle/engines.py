"""Where batches are written: in this process, or by workers of Ray Data. The same batches give the same answers."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from offline.oracle.backends import build_oracle
from offline.oracle.options import LabelOptions, OracleOptions, RayOptions
from offline.oracle.port import Answer, OracleError, Request


class Batch(BaseModel):
    """Requests that are always written together and with this seed, so that going on changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    seed: int
    count: int
    """How many candidates are asked for each request."""
    requests: tuple[Request, ...]


class FinishedBatch(BaseModel):
    """The answers to one batch, in the order of its requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    answers: tuple[Answer, ...]


def answer_batches(options: LabelOptions, base: Path, batches: Iterable[Batch]) -> Iterator[FinishedBatch]:
    """Write batches on the engine of the recipe, in any order, each as soon as it is finished.

    Raises:
        OracleError: the Oracle cannot go on.
    """
    if options.engine == "ray":
        return _answer_with_ray(options.oracle, options.ray, base, batches)
    return _answer_here(options.oracle, base, batches)


def _answer_here(options: OracleOptions, base: Path, batches: Iterable[Batch]) -> Iterator[FinishedBatch]:
    oracle = build_oracle(options, base)
    for batch in batches:
        yield _answer(oracle, batch)


def _answer(oracle: Any, batch: Batch) -> FinishedBatch:
    answers = oracle.answer(batch.requests, batch.count, batch.seed)
    if len(answers) != len(batch.requests):
        raise OracleError(f"{oracle.name} answered {len(answers)} of {len(batch.requests)} requests")
    return FinishedBatch(number=batch.number, answers=tuple(answers))


class _RayWorker:
    """One actor: it loads the Oracle once, and takes and gives batches as JSON in a table of one row."""

    def __init__(self, options: bytes, base: str) -> None:
        parsed: OracleOptions = TypeAdapter(OracleOptions).validate_json(options)
        self._oracle = build_oracle(parsed, Path(base))

    def __call__(self, table: dict[str, Any]) -> dict[str, Any]:
        finished = [_answer(self._oracle, Batch.model_validate_json(text)) for text in table["batch"]]
        return {"finished": [batch.model_dump_json() for batch in finished]}


def _answer_with_ray(
    options: OracleOptions, engine: RayOptions, base: Path, batches: Iterable[Batch]
) -> Iterator[FinishedBatch]:
    try:
        import ray
    except ImportError as error:
        raise OracleError("engine = 'ray' needs Ray Data: install prism-explain[ray]") from error
    try:
        ray.init(address=engine.address, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    except Exception as error:  # Ray has no error of its own for a cluster that does not start.
        raise OracleError(f"Ray does not start: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        table = ray.data.from_items([{"batch": batch.model_dump_json()} for batch in batches])
        finished = table.map_batches(
            _RayWorker,
            fn_constructor_args=(TypeAdapter(OracleOptions).dump_json(options), str(base.absolute())),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=engine.workers),
            num_cpus=engine.cpus_per_worker,
            num_gpus=engine.gpus_per_worker,
        )
        for row in finished.iter_rows():
            yield FinishedBatch.model_validate_json(row["finished"])
    except ray.exceptions.RayError as error:
        raise OracleError(f"Ray could not finish the batches: {error}") from error
    finally:
        ray.shutdown()

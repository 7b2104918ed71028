"""The recipe's `[label]` table: which teacher writes, how, and on which engine."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SamplingOptions(_Options):
    """How candidates are drawn. A temperature of 0 takes the most likely ones by beam search instead."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[int, Field(ge=1)] = 96


class TransformersOptions(_Options):
    """A model that this process runs through transformers: a local folder, a hub name, or `package:NAME`."""

    backend: Literal["transformers"] = "transformers"
    name: str | None = None
    """What the rows name as their teacher; the model, if not given."""
    model: str
    gguf_file: str | None = None
    """A GGUF file inside the model's folder; its weights are unpacked to `dtype`."""
    device: str = "auto"
    """A torch device, such as `cpu` or `cuda:0`; `auto` spreads the model over what is there."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    sampling: SamplingOptions = SamplingOptions()


class CTranslate2Options(_Options):
    """A converted folder that this process runs through CTranslate2, such as FLAN-T5-XXL in int8 (about 11 GB).

    The model is loaded anew for each batch, because its random numbers cannot be set otherwise: choose a large
    `batch_size`.
    """

    backend: Literal["ctranslate2"] = "ctranslate2"
    name: str | None = None
    model: str
    kind: Literal["seq2seq", "causal"]
    tokenizer: str | None = None
    """Folder or hub name of the tokenizer; the model's folder, if not given."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of one translation; 0 leaves it to CTranslate2."""
    max_batch_tokens: Annotated[int, Field(ge=1)] = 16_384
    sampling: SamplingOptions = SamplingOptions()


class OpenAIOptions(_Options):
    """Any endpoint with OpenAI's chat completions. Its answers are only as repeatable as the endpoint makes them."""

    backend: Literal["openai"] = "openai"
    name: str | None = None
    model: str
    base_url: str
    api_key_variable: str | None = None
    """The environment variable that holds the key; none for endpoints that ask for none."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    concurrency: Annotated[int, Field(ge=1)] = 8
    max_retries: Annotated[int, Field(ge=0)] = 6
    timeout_seconds: Annotated[float, Field(gt=0)] = 120
    candidates_per_request: Annotated[int, Field(ge=1)] | None = None
    """How many candidates the endpoint gives at once; 1 for those that ignore `n`, all of them if not given."""
    usd_per_million_prompt_tokens: Annotated[float, Field(ge=0)] = 0
    usd_per_million_completion_tokens: Annotated[float, Field(ge=0)] = 0
    sampling: SamplingOptions = SamplingOptions()


class RecordedOptions(_Options):
    """No teacher runs: the text that the data brought with it is the only candidate."""

    backend: Literal["recorded"] = "recorded"
    name: str | None = None


OracleOptions = Annotated[
    TransformersOptions | CTranslate2Options | OpenAIOptions | RecordedOptions, Field(discriminator="backend")
]


class RayOptions(_Options):
    """Where Ray Data runs the Oracle."""

    address: str | None = None
    """An existing cluster; a local one is started if not given."""
    workers: Annotated[int, Field(ge=1)] = 1
    cpus_per_worker: Annotated[float, Field(ge=0)] = 1
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0


class LabelOptions(_Options):
    """The recipe's `[label]` table."""

    oracle: OracleOptions = RecordedOptions()
    engine: Literal["local", "ray"] = "local"
    ray: RayOptions = RayOptions()
    candidates: Annotated[int, Field(ge=1)] = 1
    """How many texts are asked for each event; empty and repeated ones are dropped."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Events that are written together; also what an interruption loses at most, for each worker."""
    examples: Annotated[int, Field(ge=0)] = 0
    """Worked examples in each prompt."""
    examples_path: Path | None = None
    """Where they come from: JSON lines of `kind`, `event`, `explanation`; invented ones if not given."""

"""Find and load models that transformers runs: by folder, hub name, installed package, or as a GGUF file."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from offline.oracle.port import OracleError

_PACKAGE: Final = "package:"


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A model ready to write, and its tokenizer, which pads on the left where the model goes on from its input."""

    model: Any
    tokenizer: Any
    is_seq2seq: bool


def locate_model(model: str, base: Path) -> str:
    """Find a model: the folder of an installed package, a folder relative to `base`, or else a hub name as it is.

    Raises:
        OracleError: the package is not installed.
    """
    if model.startswith(_PACKAGE):
        name = model.removeprefix(_PACKAGE)
        # The package itself is not imported: some register commands or load a runtime when they are.
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise OracleError(f"the package {name} is not installed")
        return str(spec.submodule_search_locations[0])
    folder = base / model
    return str(folder) if folder.exists() else model


def load_pretrained(source: str, gguf_file: str | None, device: str, dtype: str) -> Pretrained:
    """Load a model for generation.

    Args:
        source: folder or hub name.
        gguf_file: a file inside of it, whose weights are unpacked to `dtype`.
        device: a torch device, or `auto`.
        dtype: name of a torch type, or `auto` for the one of the weights.

    Raises:
        OracleError: there is no such model, or it cannot be read.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    where: dict[str, Any] = {} if gguf_file is None else {"gguf_file": gguf_file}
    try:
        config = AutoConfig.from_pretrained(source, **where)
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left", **where)
        loader: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        placement = {"device_map": "auto"} if device == "auto" else {}
        model = loader.from_pretrained(source, dtype=dtype, **placement, **where)
    except (OSError, ValueError) as error:
        raise OracleError(f"cannot load the model {source}: {error}") from error
    if device != "auto":
        model = model.to(device)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Pretrained(model.eval(), tokenizer, bool(config.is_encoder_decoder))

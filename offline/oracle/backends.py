"""From options to an Oracle; each backend's libraries are imported only where it is used."""

from pathlib import Path

from offline.oracle.options import (
    CTranslate2Options,
    OpenAIOptions,
    OracleOptions,
    RecordedOptions,
    TransformersOptions,
)
from offline.oracle.port import Oracle


def build_oracle(options: OracleOptions, base: Path) -> Oracle:
    """Build an Oracle and load its model.

    Args:
        options: the recipe's `[label.oracle]` table.
        base: the folder that relative model folders are relative to.

    Raises:
        OracleError: the model, or the endpoint's key, is not there.
    """
    match options:
        case RecordedOptions():
            from offline.oracle.recorded_oracle import RecordedOracle

            return RecordedOracle(options)
        case TransformersOptions():
            from offline.oracle.transformers_oracle import TransformersOracle

            return TransformersOracle(options, base)
        case CTranslate2Options():
            from offline.oracle.ctranslate2_oracle import CTranslate2Oracle

            return CTranslate2Oracle(options, base)
        case OpenAIOptions():
            from offline.oracle.openai_oracle import OpenAIOracle

            return OpenAIOracle(options)


def name_oracle(options: OracleOptions) -> str:
    """Name the teacher without loading it."""
    if isinstance(options, RecordedOptions):
        return options.name or "recorded"
    return options.name or options.model

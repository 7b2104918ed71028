"""The errors of the pure core, each named after the step of the data path in which it arises.

```text
PrismError
├── RecordError            a record that can never be explained: dead letter
│   ├── DecodeError        the bytes are not JSON, or too many, or nested too deep
│   └── SchemaError        JSON, but not a ranking event
├── GenerationError        the model could not write for one prompt: template
└── ModelUnusableError     the model cannot write at all: the process ends
```
"""

from typing import Final


class PrismError(Exception):
    """Root of every error that Prism raises on purpose."""


class RecordError(PrismError):
    """A record that can never be explained, however often it is tried."""

    stage = "record"


class DecodeError(RecordError):
    """The bytes of the record are not acceptable JSON."""

    stage = "decode"


class SchemaError(RecordError):
    """The record is JSON, but not a valid ranking event."""

    stage = "schema"


class GenerationError(PrismError):
    """The model failed on at least one of the prompts that it was given."""


class ModelUnusableError(PrismError):
    """The model artifact is missing, altered, or made for another prompt."""


BROKEN_MACHINE: Final = (ModelUnusableError, MemoryError)
"""What is no record's fault and no neighbour can be saved from: the process ends, and nothing is committed."""

"""JSON Schemas of the custom resources that deploy/ uses, made of their CustomResourceDefinitions.

    python -m tests.deploy.crd_schemas SOURCE CRD.yaml...

SOURCE says where the files are from: program, version, licence. Writes one file for each version that is served into
tests/deploy/schemas. An API server drops fields that it does not know, without a word; these schemas refuse them. Left
out are descriptions, and rules in CEL (x-kubernetes-validations), which only an API server can judge.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent / "schemas"
_KEPT: Final = (
    "type required enum pattern format minimum maximum minLength maxLength minItems maxItems minProperties "
    "maxProperties anyOf allOf oneOf not"
).split()
_METADATA: Final = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
"""Of ObjectMeta what one writes oneself."""

# Schemas are trees of anything: JSON has no narrower type.
Schema = Mapping[str, Any]


def close(schema: Schema) -> dict[str, Any]:
    """Copy a schema so that it refuses every field that it does not name, at every depth."""
    closed: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("nullable") and "type" in closed:
        closed["type"] = [closed["type"], "null"]
    if "items" in schema:
        closed["items"] = close(schema["items"])
    if "properties" in schema:
        closed["properties"] = {name: close(one) for name, one in sorted(schema["properties"].items())}
        closed["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    elif isinstance(schema.get("additionalProperties"), dict):
        closed["additionalProperties"] = close(schema["additionalProperties"])
    return closed


def build_schemas(definition: Schema, source: str) -> dict[str, dict[str, Any]]:
    """Build the schema of each served version of a CustomResourceDefinition; by file name."""
    spec = definition["spec"]
    group, kind = spec["group"], spec["names"]["kind"]
    schemas = {}
    for version in spec["versions"]:
        if not version["served"]:
            continue
        schema = close(version["schema"]["openAPIV3Schema"])
        schema["properties"] |= {"metadata": _METADATA, "apiVersion": {"const": f"{group}/{version['name']}"}}
        schema["properties"]["kind"] = {"const": kind}
        del schema["properties"]["status"]  # Written by the operator, never by us.
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": source} | schema
        schemas[f"{group}/{kind.lower()}_{version['name']}.json"] = schema
    return schemas


def main(arguments: list[str]) -> None:
    """Write the schemas of some definitions."""
    source, *files = arguments
    for file in files:
        for name, schema in build_schemas(yaml.safe_load(Path(file).read_text(encoding="utf-8")), source).items():
            path = FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

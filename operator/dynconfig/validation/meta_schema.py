"""The meta-schema of draft 2020-12, which all schemas have to match."""

from functools import lru_cache
from typing import Any

from jsonschema_specifications import REGISTRY

from dynconfig.validation.json_evaluation import Compiled
from dynconfig.validation.json_schema import DIALECT
from dynconfig.validation.subschemas import schemas, targets

_BASE = DIALECT.removesuffix("schema")


@lru_cache(maxsize=1)
def meta_schema() -> Compiled:
    """Return the meta-schema with the references between its documents.

    https://json-schema.org/draft/2020-12/json-schema-core#section-8.2.3.2
    """
    root = REGISTRY.contents(DIALECT)
    names = [reference["$ref"] for reference in root["allOf"]]
    documents = {"": root, **{name: REGISTRY.contents(f"{_BASE}{name}") for name in names}}
    places = {name: targets(document) for name, document in documents.items()}
    found: dict[tuple[int, str], Any] = {}
    for name, document in documents.items():
        for _, node in schemas(document):
            if isinstance(node, dict) and "$ref" in node:
                other, _, fragment = node["$ref"].partition("#")
                found[id(node), "$ref"] = places[other or name][f"#{fragment}"]
            if isinstance(node, dict) and "$dynamicRef" in node:
                # Evaluation begins at the root, so its dynamic anchor is the outermost.
                found[id(node), "$dynamicRef"] = root
    return Compiled(root, found)

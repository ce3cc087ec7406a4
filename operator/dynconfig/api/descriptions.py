"""Field docstrings as descriptions in the JSON schema. Only used to generate the CRD, since parsing source code is slow."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema


class Described(GenerateJsonSchema):
    """JSON schema generator that adds field docstrings as descriptions, and defaults that are models."""

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """Return the schema of one model."""
        found = super().model_schema(schema)
        models = [model for model in reversed(schema["cls"].__mro__) if issubclass(model, BaseModel)]
        texts = {name: text for model in models for name, text in _descriptions(model)}
        for name, field in schema["cls"].model_fields.items():
            about = found["properties"][field.alias or name]
            if name in texts:
                about.setdefault("description", texts[name])
            if isinstance(field.default_factory, type) and issubclass(field.default_factory, BaseModel):
                about["default"] = field.default_factory().model_dump(mode="json", by_alias=True)
        return found


def _descriptions(model: type) -> Iterator[tuple[str, str]]:
    module = inspect.getmodule(model)
    for node in _parsed(module).body if module else ():
        if isinstance(node, ast.ClassDef) and node.name == model.__name__:
            yield from _below(node.body)


@cache
def _parsed(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _below(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(text.value.value)

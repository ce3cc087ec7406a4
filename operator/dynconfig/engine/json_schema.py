"""Checks JSON against a JSON Schema (Draft 2020-12): nothing is fetched, time is bounded, no message holds a value."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from dynconfig.engine import deadline, patterns
from dynconfig.engine.json_places import Path, lost_references, schemas
from dynconfig.engine.values import parsed_json

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECONDS = 0.5
MAX_TOLD = 3
MAX_WORDS = 120


def schema_fault(schema: Mapping[str, JsonValue]) -> str | None:
    """What is wrong with the schema itself, as the end of a sentence; None if it can be used. Raises DeadlineExceeded."""
    try:
        text = _text(schema)
    except ValueError:
        return "holds a number that is not finite, which JSON does not know"
    return _schema_fault(text)


def fault(schema: Mapping[str, JsonValue], value: str) -> str | None:
    """Where JSON in the value breaks a schema that can be used, and which rule; None if it fits."""
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    instance, validator = parsed_json(value), _validator(_text(schema))
    try:
        with deadline.limit(SECONDS):
            broken = dict.fromkeys(_told(schema, error) for error in validator.iter_errors(instance))
    except deadline.DeadlineExceeded:
        return f"takes longer than {SECONDS:g} s to compare with jsonSchema; make the schema simpler"
    except RecursionError:
        return "cannot be compared with jsonSchema, which refers to itself without end"
    except OverflowError:
        return "has a number too large to compare with jsonSchema"
    except (UnknownType, Unresolvable):
        # What these say may hold a part of the value.
        return "cannot be compared with jsonSchema"
    more = f"; and {len(broken) - MAX_TOLD} more" if len(broken) > MAX_TOLD else ""
    return f"does not match jsonSchema: {'; '.join([*broken][:MAX_TOLD])}{more}" if broken else None


def _text(schema: Mapping[str, JsonValue]) -> str:
    return json.dumps(schema, sort_keys=True, allow_nan=False)


# What a schema of 16 kB becomes has a few hundred kilobytes.
@lru_cache(maxsize=32)
def _validator(text: str) -> "Validator":
    from referencing import Registry

    from dynconfig.engine.json_keywords import bounded

    # A schema that names its dialect would be checked by that dialect's own keywords, which know no bound; and nothing
    # refers to it from outside, so that its address is of no use.
    schema = {key: value for key, value in json.loads(text).items() if key not in ("$schema", "$id")}
    # An empty registry has nothing to fetch from.
    return bounded()(schema, registry=Registry())


@lru_cache(maxsize=256)
def _schema_fault(text: str) -> str | None:
    schema = json.loads(text)
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        return f"$schema must be {DIALECT}"
    return _standard_fault(schema) or next(_own_faults(schema), None) or next(_reference_faults(schema), None)


def _standard_fault(schema: dict[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import SchemaError

    try:
        # Patterns are compiled by the engine that will run them, not by the one behind the format `regex`.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        return f"{_at(tuple(error.absolute_path))}: {_cut(error.message)}"
    return None


def _own_faults(schema: dict[str, Any]) -> Iterator[str]:
    """What JSON Schema allows, and this place does not."""
    nodes = [(path, node) for path, node in schemas(schema) if isinstance(node, dict)]
    for path, node in nodes:
        if path and (found := [key for key in ("$id", "$schema") if key in node]):
            yield f"{_at(path)}: {found[0]} is possible at the root only"
        for key in ("$ref", "$dynamicRef"):
            if not node.get(key, "#").startswith("#"):
                yield f"{_at(path)}: {key} must begin with #; remote schemas are not fetched"
        yield from (f"{_at(path)}: pattern {told}" for told in map(patterns.fault, _patterns(node)) if told)
    keywords = {key for _, node in nodes for key in node}
    if {"patternProperties", "unevaluatedProperties"} <= keywords:
        yield "patternProperties and unevaluatedProperties do not go together here; use additionalProperties"


def _reference_faults(schema: dict[str, Any]) -> Iterator[str]:
    for path, key, reference in lost_references(schema):
        yield f"{_at(path)}: {key} {_cut(reference)} leads to no schema in this one; put what it means below $defs"


def _patterns(node: dict[str, Any]) -> Iterable[str]:
    return [*([node["pattern"]] if "pattern" in node else ()), *node.get("patternProperties", ())]


def _at(path: Path) -> str:
    return _cut(".".join(map(str, path))) if path else "the root"


def _cut(words: str) -> str:
    return words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]}…"


def _told(schema: Mapping[str, JsonValue], error: "ValidationError") -> str:
    """The place and the rule; names of properties only as far as the schema says them, for others are of the value."""
    public = frozenset(_strings(schema))
    path = "".join(_step(part, public) for part in error.absolute_path)
    return f"${path}: {_rule(error)}"


def _step(part: str | int, public: frozenset[str]) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part in public else ".*"


def _rule(error: "ValidationError") -> str:
    keyword, wanted, instance = str(error.validator), error.validator_value, error.instance
    if error.validator is None:
        return "nothing is allowed here"
    if keyword == "required" and isinstance(wanted, list) and isinstance(instance, Mapping):
        return _cut(f"required {', '.join(name for name in wanted if name not in instance)}")
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        return "a property that the schema does not allow"
    if keyword == "enum" and isinstance(wanted, list):
        return "none of the values in enum"
    if isinstance(wanted, dict) or keyword in ("anyOf", "oneOf"):
        return keyword
    return _cut(f"{keyword} {wanted if isinstance(wanted, str) else json.dumps(wanted)}")


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, inner in node.items():
            yield key
            yield from _strings(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _strings(inner)

"""Validate JSON against a JSON Schema (draft 2020-12): no remote references, limited CPU time, no values in messages."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from dynconfig.validation import deadline, patterns
from dynconfig.validation.subschemas import Path, schemas, unresolved_references
from dynconfig.validation.values import parsed_json

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECONDS = 0.5
MAX_ERRORS = 3
MAX_LENGTH = 120


def schema_fault(schema: Mapping[str, JsonValue]) -> str | None:
    """Return why the schema is invalid, to be appended to its field; None if it is valid. Raises DeadlineExceeded."""
    try:
        text = _text(schema)
    except ValueError:
        return "has a number that is not finite, which JSON does not allow"
    return _schema_fault(text)


def fault(schema: Mapping[str, JsonValue], value: str) -> str | None:
    """Return which rules of a valid schema the JSON value breaks, and where; None if it matches."""
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    instance, validator = parsed_json(value), _validator(_text(schema))
    try:
        with deadline.limit(SECONDS):
            broken = dict.fromkeys(_error_text(schema, error) for error in validator.iter_errors(instance))
    except deadline.DeadlineExceeded:
        return f"takes longer than {SECONDS:g} s to validate against jsonSchema; simplify the schema"
    except RecursionError:
        return "cannot be validated against jsonSchema, which has an infinite recursion"
    except OverflowError:
        return "has a number that is too large to validate against jsonSchema"
    except (UnknownType, Unresolvable):
        # Their messages may contain a part of the value.
        return "cannot be validated against jsonSchema"
    more = f"; and {len(broken) - MAX_ERRORS} more" if len(broken) > MAX_ERRORS else ""
    return f"does not match jsonSchema: {'; '.join([*broken][:MAX_ERRORS])}{more}" if broken else None


def _text(schema: Mapping[str, JsonValue]) -> str:
    return json.dumps(schema, sort_keys=True, allow_nan=False)


# The validator of a schema of 16 KB takes a few hundred KB.
@lru_cache(maxsize=32)
def _validator(text: str) -> "Validator":
    from referencing import Registry

    from dynconfig.validation.json_keywords import bounded

    # With $schema, the keywords of that dialect would be used, which have no time limit. $id is not needed, since there are no
    # references from outside.
    schema = {key: value for key, value in json.loads(text).items() if key not in ("$schema", "$id")}
    # An empty registry fetches nothing.
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
        # Patterns are checked with RE2, which runs them, not with the engine behind the format `regex`.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        return f"{_at(tuple(error.absolute_path))}: {_cut(error.message)}"
    return None


def _own_faults(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the errors for features of JSON Schema that are not allowed here."""
    nodes = [(path, node) for path, node in schemas(schema) if isinstance(node, dict)]
    for path, node in nodes:
        if path and (found := [key for key in ("$id", "$schema") if key in node]):
            yield f"{_at(path)}: {found[0]} is only allowed at the root"
        for key in ("$ref", "$dynamicRef"):
            if not node.get(key, "#").startswith("#"):
                yield f"{_at(path)}: {key} must begin with #; remote schemas are not fetched"
        yield from (f"{_at(path)}: pattern {error}" for error in map(patterns.fault, _patterns(node)) if error)
    keywords = {key for _, node in nodes for key in node}
    if {"patternProperties", "unevaluatedProperties"} <= keywords:
        yield "patternProperties and unevaluatedProperties cannot be combined here; use additionalProperties"


def _reference_faults(schema: dict[str, Any]) -> Iterator[str]:
    for path, key, reference in unresolved_references(schema):
        yield f"{_at(path)}: {key} {_cut(reference)} does not refer to a schema in this one; move its target to $defs"


def _patterns(node: dict[str, Any]) -> Iterable[str]:
    return [*([node["pattern"]] if "pattern" in node else ()), *node.get("patternProperties", ())]


def _at(path: Path) -> str:
    return _cut(".".join(map(str, path))) if path else "the root"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def _error_text(schema: Mapping[str, JsonValue], error: "ValidationError") -> str:
    """Return path and rule. Property names that are not in the schema are masked, since they are part of the value."""
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
        return "not allowed by the schema"
    if keyword == "required" and isinstance(wanted, list) and isinstance(instance, Mapping):
        return _cut(f"required {', '.join(name for name in wanted if name not in instance)}")
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        return "property not allowed by the schema"
    if keyword == "enum" and isinstance(wanted, list):
        return "not one of the values in enum"
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

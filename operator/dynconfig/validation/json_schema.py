"""Validate JSON against a JSON Schema (draft 2020-12): no remote references, limited CPU time, no values in messages."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from dynconfig.validation import deadline, patterns
from dynconfig.validation.bounded_cache import cached_by_length
from dynconfig.validation.subschemas import Path, schemas, unresolved_references
from dynconfig.validation.values import parsed_json

if TYPE_CHECKING:
    from dynconfig.validation.json_evaluation import Compiled
    from dynconfig.validation.json_values import Broken

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECONDS = 0.5
MAX_ERRORS = 3
MAX_LENGTH = 120
# A schema takes up to 130 bytes for each of its characters.
_KEPT = 64 * 1024
_KEPT_FAULTS = 512 * 1024


def schema_fault(schema: Mapping[str, JsonValue]) -> str | None:
    """Return why the schema is invalid, to be appended to its field; None if it is valid."""
    try:
        text = _text(schema)
    except ValueError:
        return "has a number that is not finite, which JSON does not allow"
    _load()
    try:
        with deadline.limit(SECONDS):
            return _schema_fault(text)
    except deadline.DeadlineExceeded:
        return f"takes longer than {SECONDS:g} s to check; simplify the schema"


def fault(schema: Mapping[str, JsonValue], value: str) -> str | None:
    """Return which rules of a valid schema the JSON value breaks, and where; None if it matches."""
    from jsonschema.exceptions import UnknownType

    instance = parsed_json(value)
    _load()
    try:
        with deadline.limit(SECONDS):
            first, more = _broken(_text(schema), instance)
    except deadline.DeadlineExceeded:
        return f"takes longer than {SECONDS:g} s to validate against jsonSchema; simplify the schema"
    except RecursionError:
        return "cannot be validated against jsonSchema, which has an infinite recursion"
    except OverflowError:
        return "has a number that is too large to validate against jsonSchema"
    except UnknownType:
        # Its message contains a part of the value.
        return "cannot be validated against jsonSchema"
    rest = f"; and {more} more" if more else ""
    return f"does not match jsonSchema: {'; '.join(first)}{rest}" if first else None


@cache
def _load() -> None:
    """Import and create what all schemas need, which does not count towards the limit of the first one."""
    _standard_fault({"pattern": "a"})
    patterns.fault("a")


def _broken(text: str, instance: object) -> tuple[list[str], int]:
    """Return the first errors and the number of the others. Their texts are not kept: a path may be long."""
    from dynconfig.validation.json_evaluation import broken

    schema, public = _compiled(text)
    first: list[str] = []
    hashes: set[int] = set()
    for error in broken(schema, instance):
        line = _error_text(public, error)
        if hash(line) not in hashes and len(hashes) < MAX_ERRORS:
            first.append(line)
        hashes.add(hash(line))
    return first, len(hashes) - len(first)


def _text(schema: Mapping[str, JsonValue]) -> str:
    return json.dumps(schema, sort_keys=True, allow_nan=False)


@cached_by_length(_KEPT)
def _compiled(text: str) -> "tuple[Compiled, frozenset[str]]":
    """Return the schema, and all texts in it, which may be shown. One of 16 KB takes up to 2 MB."""
    from dynconfig.validation.json_evaluation import compiled

    schema = json.loads(text)
    return compiled(schema), frozenset(_strings(schema))


@cached_by_length(_KEPT_FAULTS)
def _schema_fault(text: str) -> str | None:
    schema = json.loads(text)
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        return f"$schema must be {DIALECT}"
    return _standard_fault(schema) or next(_own_faults(schema), None) or next(_reference_faults(schema), None)


def _standard_fault(schema: dict[str, Any]) -> str | None:
    from dynconfig.validation.json_evaluation import broken, path
    from dynconfig.validation.meta_schema import meta_schema

    error = next(broken(meta_schema(), schema), None)
    return f"{_at(path(error.node))}: {_cut(repr(error.node.value))} {_mismatch(error)}" if error else None


def _mismatch(error: "Broken") -> str:
    if error.keyword == "type":
        return f"is not of type {' or '.join(map(repr, [error.wanted] if isinstance(error.wanted, str) else error.wanted))}"
    if error.keyword == "anyOf":
        return "is not valid"
    return f"does not match {error.keyword} {_cut(json.dumps(error.wanted))}"


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


def _reference_faults(schema: dict[str, Any]) -> Iterator[str]:
    for path, key, reference in unresolved_references(schema):
        yield f"{_at(path)}: {key} {_cut(reference)} does not refer to a schema in this one; move its target to $defs"


def _patterns(node: dict[str, Any]) -> Iterable[str]:
    return [*([node["pattern"]] if "pattern" in node else ()), *node.get("patternProperties", ())]


def _at(path: Path) -> str:
    return _cut(".".join(map(str, path))) if path else "the root"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def _error_text(public: frozenset[str], error: "Broken") -> str:
    """Return path and rule. Property names that are not in the schema are masked, since they are part of the value."""
    from dynconfig.validation.json_evaluation import path

    return f"${''.join(_step(part, public) for part in path(error.node))}: {_rule(error)}"


def _step(part: str | int, public: frozenset[str]) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part in public else ".*"


def _rule(error: "Broken") -> str:
    keyword, wanted, instance = error.keyword, error.wanted, error.node.value
    if keyword is None:
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

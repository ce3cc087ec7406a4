"""JSON Schema keywords with a time limit: patterns run on RE2, and every step checks the deadline."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from dynconfig.validation import deadline, patterns

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


@lru_cache(maxsize=1)
def bounded() -> type[Validator]:
    """Return a validator for draft 2020-12 that raises DeadlineExceeded."""
    keywords: dict[str, Keyword] = {
        **Draft202012Validator.VALIDATORS,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    watched = {name: _watched(keyword) for name, keyword in keywords.items()}
    extended: type[Validator] = validators.extend(Draft202012Validator, watched)  # type: ignore[no-untyped-call]
    return extended


def _watched(keyword: Keyword) -> Keyword:
    def checked(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        deadline.remaining()
        yield from keyword(validator, wanted, instance, schema) or ()

    return checked


def _pattern(validator: Any, pattern: str, instance: object, _schema: object) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, str(instance)):
        yield ValidationError("")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, object], instance: Any, _schema: object
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in patterns.items():
        for name in (name for name in instance if _matches(pattern, name)):
            yield from validator.descend(instance[name], subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, wanted: object, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name in declared or any(_matches(pattern, name) for pattern in patterns):
            continue
        if wanted is False:
            yield ValidationError("")
            return
        yield from validator.descend(instance[name], wanted, path=name)


def _unique_items(validator: Any, wanted: object, instance: Any, _schema: object) -> Iterator[ValidationError]:
    if wanted and validator.is_type(instance, "array") and len({_identity(item) for item in instance}) < len(instance):
        yield ValidationError("")


def _identity(item: object) -> object:
    """Return a key that is equal for items that are equal in JSON Schema: 1 and 1.0 are, 1 and true are not."""
    if isinstance(item, bool):
        return ("boolean", item)
    if isinstance(item, Mapping):
        return frozenset((name, _identity(inner)) for name, inner in item.items())
    if isinstance(item, Sequence) and not isinstance(item, str):
        return tuple(_identity(inner) for inner in item)
    return item


def _matches(pattern: str, text: str) -> bool:
    # A schema may have many patterns.
    deadline.remaining()
    return patterns.matches(pattern, text)

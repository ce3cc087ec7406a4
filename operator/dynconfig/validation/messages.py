"""Readable messages for pydantic validation errors: what is wrong with a field, and how to fix it. Pure."""

import re
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic_core import ErrorDetails

from dynconfig.api.metadata import unknown_field
from dynconfig.api.model import Model
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.counting import counted
from dynconfig.validation import schedules

Location = Sequence[str | int]

_PLAIN = {
    # The usual cause: YAML parses 5432 as a number and yes as a boolean.
    "string_type": "must be a string: put it in quotes",
    "model_type": "must be a map of fields",
    "dict_type": "must be a map",
    "list_type": "must be a list: begin each item with -",
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number, not .inf or .nan",
    "bool_type": "must be true or false",
}
# Strings that become a value of this type when the quotes are removed.
_UNQUOTED = {
    "int_type": r"[-+]?[0-9]+",
    "float_type": r"[-+]?[0-9]+(\.[0-9]+)?",
    "bool_type": r"(?i:true|false|yes|no|on|off)",
}
_LENGTHS = {
    "string_too_long": ("must not have more than", "max_length", "character"),
    "string_too_short": ("must have at least", "min_length", "character"),
    "too_long": ("must not have more than", "max_length", "item"),
    "too_short": ("must have at least", "min_length", "item"),
    "greater_than_equal": ("must be at least", "ge", ""),
    "less_than_equal": ("must be at most", "le", ""),
}
_NAME = "must consist of letters, digits, _, . and -, in levels separated by /"
_PATTERNS = {
    "path": f"must begin with / and must not end with /, for example /myapp/config; it {_NAME}",
    "notify": "must be the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME",
    "on_failure": "must be the ARN of a queue, topic, function or event bus, for example arn:aws:sqs:REGION:ACCOUNT:NAME",
    "onFailure": "must be the ARN of a queue, topic, function or event bus, for example arn:aws:sqs:REGION:ACCOUNT:NAME",
    "layerArn": "must be the ARN of a layer version: arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION",
    "resyncInterval": "must be a duration such as 90s, 10m or 1h30m",
    "bakeTime": "must be a duration such as 90s, 10m or 1h30m",
    "region": "must be an AWS region, for example eu-west-1",
    "key": "must consist of letters, digits, -, _ and .",
    "kmsKeyId": "must be the ID or ARN of a KMS key, or alias/NAME",
    "extendedStatistic": "must be an extended statistic, for example p99 or TM(10%:90%)",
    "namespace": "must be the namespace of a metric, which does not begin with :",
    "roleName": "must consist of letters, digits and _ + = , . @ -",
}
_NAMES = {
    "parameters": _NAME,
    "secretKeyRef": "must consist of lowercase letters, digits, - and ., with a letter or digit at each end",
    "configMapKeyRef": "must consist of lowercase letters, digits, - and ., with a letter or digit at each end",
    "custom": "must consist of letters, digits, _, . and -, and begin with a letter or digit",
    "function": "must consist of letters, digits, - and _",
}


def validation_message(
    problem: ErrorDetails, document: Mapping[str, Any], model: type[Model] = DynamicConfigSpec
) -> str:
    """Return what is wrong with one field of a spec, whose model is `model`, to be appended to its name."""
    kind, context = problem["type"], problem.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown(problem["loc"], model)
    if kind in ("enum", "literal_error"):
        return f"must be {context.get('expected', '')}".replace("'", "")
    if kind == "string_pattern_mismatch":
        return _pattern(problem["loc"], str(context.get("pattern", "")), at(document, problem["loc"]))
    if kind in _LENGTHS:
        return _limit(kind, context)
    return _mistyped(kind, at(document, problem["loc"])) or problem["msg"].removeprefix("Value error, ")


def _limit(kind: str, context: Mapping[str, Any]) -> str:
    words, name, noun = _LENGTHS[kind]
    return f"{words} {counted(context[name], noun) if noun else context[name]}"


def _mistyped(kind: str, value: object) -> str:
    """Return the message for a value of the wrong type; empty for other errors."""
    wanted = _PLAIN.get(kind, "")
    if wanted and kind != "missing" and value is None:
        return "is empty: set a value, or remove the field"
    if kind in _UNQUOTED and isinstance(value, str):
        is_only_quoted = re.fullmatch(_UNQUOTED[kind], value)
        return f"{wanted}: remove the quotes" if is_only_quoted else f"{wanted}, not a string"
    if kind == "string_type" and isinstance(value, dict | list):
        return f"must be a string, not a {'map' if isinstance(value, dict) else 'list'}"
    if kind in ("model_type", "dict_type") and isinstance(value, list):
        return f"{wanted}, not a list: remove the - before its fields"
    return wanted


def _unknown(location: Location, spec: type[Model]) -> str:
    model = _model_at(location[:-1], spec)
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    return unknown_field(str(location[-1]), known)


def _pattern(location: Location, pattern: str, value: object) -> str:
    field = next((part for part in reversed(location) if isinstance(part, str)), "")
    if field == "schedule":
        return schedules.fault(str(value)) or f"is not a valid schedule: {schedules.EXAMPLES}"
    if tuple(location[:1]) == ("parameters",) and field == "name" and len(location) == 3:
        return _name_fault(str(value))
    return _form_of(location, field) or f"does not match the pattern {pattern}"


def _form_of(location: Location, field: str) -> str:
    """Return the expected format of a field; empty if only its pattern is known."""
    if "tags" in location[:-1]:
        return "must consist of letters, digits, spaces and _ . : / = + - @"
    if field == "name":
        return _NAMES.get(next((part for part in reversed(location[:-1]) if isinstance(part, str)), ""), "")
    return _PATTERNS.get(field, "")


def _name_fault(name: str) -> str:
    if name.startswith("/"):
        return "must be relative to the path: remove the leading /"
    if name.endswith("/"):
        return "must not end with /"
    return _NAME


def at(document: Mapping[str, Any], location: Location) -> object:
    """Return the value at a location in the spec, or None."""
    node: Any = document.get("spec")
    for part in location:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def _model_at(location: Location, spec: type[Model]) -> type[Model] | None:
    """Return the model that contains the field at a location in the spec."""
    model: type[Model] | None = spec
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        found = (field for name, field in model.model_fields.items() if part in (field.alias, name))
        field = next(found, None)
        model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: object) -> type[Model] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Model) else None
    if get_origin(annotation) in (Union, types.UnionType, list) or hasattr(annotation, "__metadata__"):
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None

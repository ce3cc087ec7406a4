"""What does not fit the models, in our own words: the field as it is in the document, what is wrong, what to write. Pure."""

import re
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic_core import ErrorDetails

from dynconfig.api.metadata import unknown_field
from dynconfig.api.model import Model
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine import schedules
from dynconfig.engine.counting import counted

Location = Sequence[str | int]

_PLAIN = {
    # YAML takes 5432 for a number and yes for a boolean, which is how most of them come about.
    "string_type": "has to be a text: put it in quotes",
    "model_type": "has to be a map of fields",
    "dict_type": "has to be a map",
    "list_type": "has to be a list: begin each item with -",
    "missing": "is missing",
    "int_type": "has to be a whole number",
    "float_type": "has to be a number",
    "finite_number": "has to be a number that JSON knows, not infinite or .nan",
    "bool_type": "has to be true or false",
}
# What a text has to look like to become one of these without its quotes.
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
_NAME = "takes letters, digits, _, . and -, in levels parted by /"
_PATTERNS = {
    "path": f"begins with / and does not end with it, for example /myapp/config; it {_NAME}",
    "notify": "is the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME",
    "on_failure": "is the ARN of a queue, topic, function or event bus, for example arn:aws:sqs:REGION:ACCOUNT:NAME",
    "onFailure": "is the ARN of a queue, topic, function or event bus, for example arn:aws:sqs:REGION:ACCOUNT:NAME",
    "layerArn": "is the ARN of a layer version: arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION",
    "resyncInterval": "is a time such as 90s, 10m or 1h30m",
    "bakeTime": "is a time such as 90s, 10m or 1h30m",
    "region": "is a region of AWS, for example eu-west-1",
    "key": "takes letters, digits, -, _ and .",
    "kmsKeyId": "is the id or ARN of a KMS key, or alias/NAME",
    "extendedStatistic": "is an extended statistic, for example p99 or TM(10%:90%)",
    "namespace": "is the namespace of a metric, which does not begin with :",
    "roleName": "takes letters, digits and _ + = , . @ -",
}
_NAMES = {
    "parameters": _NAME,
    "secretKeyRef": "takes small letters, digits, - and ., with a letter or digit at each end",
    "configMapKeyRef": "takes small letters, digits, - and ., with a letter or digit at each end",
    "custom": "takes letters, digits, _, . and -, and begins with a letter or digit",
    "function": "takes letters, digits, - and _",
}


def reworded(problem: ErrorDetails, document: Mapping[str, Any]) -> str:
    """What is wrong with one field, as the end of a sentence about it."""
    kind, context = problem["type"], problem.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown(problem["loc"])
    if kind in ("enum", "literal_error"):
        return f"has to be {context.get('expected', '')}".replace("'", "")
    if kind == "string_pattern_mismatch":
        return _pattern(problem["loc"], str(context.get("pattern", "")), at(document, problem["loc"]))
    if kind in _LENGTHS:
        return _limit(kind, context)
    return _mistyped(kind, at(document, problem["loc"])) or problem["msg"].removeprefix("Value error, ")


def _limit(kind: str, context: Mapping[str, Any]) -> str:
    words, name, noun = _LENGTHS[kind]
    return f"{words} {counted(context[name], noun) if noun else context[name]}"


def _mistyped(kind: str, value: object) -> str:
    """What to write in place of a value of another type; empty if that is not what is wrong."""
    wanted = _PLAIN.get(kind, "")
    if wanted and kind != "missing" and value is None:
        return "is empty: give it a value, or remove it"
    if kind in _UNQUOTED and isinstance(value, str):
        is_only_quoted = re.fullmatch(_UNQUOTED[kind], value)
        return f"{wanted}: remove the quotes" if is_only_quoted else f"{wanted}, not a text"
    if kind == "string_type" and isinstance(value, dict | list):
        return f"has to be a text, not a {'map' if isinstance(value, dict) else 'list'}"
    if kind in ("model_type", "dict_type") and isinstance(value, list):
        return f"{wanted}, not a list: remove the - before its fields"
    return wanted


def _unknown(location: Location) -> str:
    model = _model_at(location[:-1])
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    return unknown_field(str(location[-1]), known)


def _pattern(location: Location, pattern: str, value: object) -> str:
    field = next((part for part in reversed(location) if isinstance(part, str)), "")
    if field == "schedule":
        return schedules.fault(str(value)) or f"is no schedule: {schedules.EXAMPLES}"
    if tuple(location[:1]) == ("parameters",) and field == "name" and len(location) == 3:
        return _name_fault(str(value))
    return _form_of(location, field) or f"does not match the pattern {pattern}"


def _form_of(location: Location, field: str) -> str:
    """What a field has to look like; empty where nothing better than its pattern is known."""
    if "tags" in location[:-1]:
        return "takes letters, digits, spaces and _ . : / = + - @"
    if field == "name":
        return _NAMES.get(next((part for part in reversed(location[:-1]) if isinstance(part, str)), ""), "")
    return _PATTERNS.get(field, "")


def _name_fault(name: str) -> str:
    if name.startswith("/"):
        return "is relative to the path: write it without the leading /"
    if name.endswith("/"):
        return "must not end with /"
    return _NAME


def at(document: Mapping[str, Any], location: Location) -> object:
    """What is at a place in the spec, or None."""
    node: Any = document.get("spec")
    for part in location:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def _model_at(location: Location) -> type[Model] | None:
    """The model whose field stands at a place in the spec."""
    model: type[Model] | None = DynamicConfigSpec
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

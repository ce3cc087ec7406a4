"""Warnings about specs that are valid, but probably wrong, and what to do instead."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from dynconfig.api import names
from dynconfig.api.function import RUNTIME_ENDS, FunctionSpec, Mode
from dynconfig.api.parameter import ParameterType
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.errors import InvalidSpec
from dynconfig.validation import plaintext, schedules
from dynconfig.validation.checking import Finding
from dynconfig.validation.declare import parse_spec

_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|.)", re.DOTALL)
_SILENCE = f"a comment `# dynconfig: allow-plaintext` on its line, or the annotation {names.ALLOW_PLAINTEXT}"

IsAllowed = Callable[[int], bool]
"""Whether a comment on the parameter at an index allows a plaintext value."""


def _no_comments(_index: int) -> bool:
    return False


def advice(document: Mapping[str, Any], today: date, is_allowed: IsAllowed = _no_comments) -> tuple[Finding, ...]:
    """Return warnings about a document; none if it is invalid."""
    try:
        spec = parse_spec(document)
    except InvalidSpec:
        return ()
    annotations = document["metadata"].get("annotations")
    allowed = str(annotations.get(names.ALLOW_PLAINTEXT, "")) if isinstance(annotations, Mapping) else ""
    about_function = _about_function(spec.function, today) if spec.function else ()
    return (*about_function, *_about_rollout(spec), *_about_alarms(spec), *_about_parameters(spec, allowed, is_allowed))


def _about_rollout(spec: DynamicConfigSpec) -> Iterator[Finding]:
    if spec.rollout and spec.rollout.rollback_on_alarm and not (spec.alarms and spec.alarms.all):
        yield Finding(
            ("spec", "rollout"),
            "spec.rollout: no alarm watches this object, so changes are never rolled back; declare spec.alarms",
        )


def _about_alarms(spec: DynamicConfigSpec) -> Iterator[Finding]:
    alarms = spec.alarms
    if alarms is None or alarms.all or alarms.drift:
        return
    for field, is_set in (("topic", alarms.topic), ("notify", bool(alarms.notify))):
        if is_set:
            yield Finding(
                ("spec", "alarms", field),
                f"spec.alarms.{field}: no alarm is declared, so nothing is ever notified; set defaults or drift to true, or "
                "declare custom alarms",
            )


def _about_parameters(spec: DynamicConfigSpec, allowed: str, is_allowed: IsAllowed) -> Iterator[Finding]:
    names_allowed = {name.strip() for name in allowed.split(",")}
    for index, parameter in enumerate(spec.parameters):
        value, path = parameter.value or "", ("spec", "parameters", index)
        # A list is rarely a secret, whatever its name.
        is_list = parameter.resolved_type is ParameterType.STRING_LIST
        found = plaintext.reason("" if is_list else parameter.name, value) if value else None
        if found and not names_allowed & {"true", parameter.name} and not is_allowed(index):
            yield Finding(
                path,
                f"parameter {parameter.name}: {found}; move it to a Secret and reference it with "
                f"valueFrom.secretKeyRef, or suppress this warning with {_SILENCE}",
            )
        if parameter.schema_ and parameter.schema_.type == "json" and _has_half(value):
            yield Finding(
                path, f"parameter {parameter.name}: has an unpaired surrogate, which many JSON parsers reject"
            )


def _about_function(function: FunctionSpec, today: date) -> Iterator[Finding]:
    if text := schedules.advice(function.triggers.schedule or ""):
        yield Finding(("spec", "function", "triggers", "schedule"), f"spec.function.triggers.schedule: {text}")
    end = RUNTIME_ENDS[function.runtime]
    if function.mode is Mode.MANAGED and today > end:
        newest = max(RUNTIME_ENDS, key=lambda runtime: (RUNTIME_ENDS[runtime], runtime))
        newer = (
            f"set {newest}" if RUNTIME_ENDS[newest] >= today else "upgrade to an operator version with a newer runtime"
        )
        yield Finding(
            ("spec", "function", "runtime"),
            f"spec.function.runtime: {function.runtime} was deprecated by Lambda on {end}; {newer}",
        )


def _has_half(text: str) -> bool:
    """Whether JSON text has an escaped surrogate without its counterpart."""
    high_end = -1
    for found in _ESCAPE.finditer(text):
        code = int(found["code"] or "0", 16)
        is_low = 0xDC00 <= code <= 0xDFFF
        if (is_low and found.start() != high_end) or (high_end >= 0 and not is_low):
            return True
        high_end = found.end() if 0xD800 <= code <= 0xDBFF else -1
    return high_end >= 0

"""What is allowed and yet unwise, with what to do instead."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from dynconfig.api.function import RUNTIME_ENDS, FunctionSpec, Mode
from dynconfig.api.parameter import ParameterSpec, ParameterType
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine.checking import Finding
from dynconfig.engine.declare import parse_spec
from dynconfig.engine.errors import InvalidSpec

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_SECRET = re.compile(r"passw|passphrase|secret|token|credential|keys?$")


def advice(document: Mapping[str, Any], today: date) -> tuple[Finding, ...]:
    """Advice about a document; none about one that is invalid as it stands."""
    try:
        spec = parse_spec(document)
    except InvalidSpec:
        return ()
    about_function = _about_function(spec.function, today) if spec.function else ()
    return (*_about_parameters(spec), *about_function, *_about_rollout(spec))


def _about_rollout(spec: DynamicConfigSpec) -> Iterator[Finding]:
    if spec.rollout and spec.rollout.rollback_on_alarm and not (spec.alarms and spec.alarms.all):
        yield Finding(
            ("spec", "rollout"),
            "spec.rollout: no alarm watches this object, so that nothing is ever rolled back; declare spec.alarms",
        )


def _about_parameters(spec: DynamicConfigSpec) -> Iterator[Finding]:
    for index, parameter in enumerate(spec.parameters):
        if _is_open_secret(parameter):
            yield Finding(
                ("spec", "parameters", index),
                f"parameter {parameter.name}: sounds like a secret, and stands here for all to read; put it into a Secret "
                "and refer to that with valueFrom.secretKeyRef, which makes it a SecureString",
            )


def _is_open_secret(parameter: ParameterSpec) -> bool:
    if parameter.value is None or parameter.resolved_type is not ParameterType.STRING:
        return False
    return any(_SECRET.search(word.lower()) for word in _WORDS.findall(parameter.name))


def _about_function(function: FunctionSpec, today: date) -> Iterator[Finding]:
    end = RUNTIME_ENDS[function.runtime]
    if function.mode is Mode.MANAGED and today > end:
        newest = max(RUNTIME_ENDS, key=lambda runtime: (RUNTIME_ENDS[runtime], runtime))
        newer = (
            f"set {newest}" if RUNTIME_ENDS[newest] >= today else "update the operator to one that knows a newer one"
        )
        yield Finding(
            ("spec", "function", "runtime"),
            f"spec.function.runtime: {function.runtime} is past its end in Lambda, which was {end}; {newer}",
        )

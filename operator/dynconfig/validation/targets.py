"""Parses the spec of an AWSTarget, and checks objects in it. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dynconfig.api.parameter import ParameterType
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.tags import MAX_TAGS_FROM_SECRET, MAX_TAGS_TOGETHER
from dynconfig.api.target import AWSTargetSpec
from dynconfig.model.errors import InvalidSpec, TargetChanged
from dynconfig.model.stored import recorded_place
from dynconfig.model.target import Target
from dynconfig.validation.checking import Finding, validation_findings


def check_tags(spec: DynamicConfigSpec, target: Target) -> None:
    """Raise InvalidSpec if a parameter has more tags than AWS takes, with those of the target."""
    common = {**dict(target.tags), **spec.tags}
    for parameter in spec.parameters:
        is_marked = parameter.secret_ref is not None and parameter.resolved_type is not ParameterType.SECURE_STRING
        count, most = len({**common, **parameter.tags}), MAX_TAGS_FROM_SECRET if is_marked else MAX_TAGS_TOGETHER
        if count > most:
            raise InvalidSpec(
                f"parameter {parameter.name}: {count} tags with those of the object and of AWSTarget {target.name}; the limit is "
                f"{most}. Remove tags"
            )


def check_unchanged(document: Mapping[str, Any], target: Target) -> None:
    """Raise TargetChanged if an object wrote in another target, account or region than this one."""
    recorded = recorded_place(document.get("status"))
    if recorded is not None and not recorded.is_in(target):
        before = recorded.completed(target)
        raise TargetChanged(
            f"AWSTarget {target.name} is now account {target.account} in {target.region}, but this object was written in "
            f"AWSTarget {before.target}, account {before.account}, in {before.region}; nothing was written or deleted. Ask a "
            "cluster administrator for the target as it was, or give these resources up: annotate the object with "
            "dynconfig.dev/abandon=true and delete it"
        )


def parse_target(document: Mapping[str, Any]) -> AWSTargetSpec:
    """Parse the spec of an AWSTarget. Raises InvalidSpec that names every invalid field."""
    parsed = _parsed(document)
    if isinstance(parsed, AWSTargetSpec):
        return parsed
    faults = tuple(finding.text for finding in parsed)
    raise InvalidSpec("; ".join(faults), faults)


def target_findings(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return all errors in the spec of an AWSTarget."""
    parsed = _parsed(document)
    return () if isinstance(parsed, AWSTargetSpec) else parsed


def _parsed(document: Mapping[str, Any]) -> AWSTargetSpec | tuple[Finding, ...]:
    try:
        return AWSTargetSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        return validation_findings(error, document, AWSTargetSpec)

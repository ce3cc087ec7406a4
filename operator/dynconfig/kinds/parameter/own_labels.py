"""The labels that the operator puts on parameter versions, and their removal."""

from typing import TYPE_CHECKING

from dynconfig.kinds.parameter.read import read
from dynconfig.model.errors import AccessDenied
from dynconfig.rollout.labels import REJECTED, STABLE

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient


def is_own(label: str) -> bool:
    """Return whether a label belongs to the operator."""
    return label == STABLE or label.startswith(REJECTED)


def remove(ssm: "SSMClient", name: str, newest: int | None = None) -> tuple[str, ...]:
    """Remove the labels from all versions up to `newest`; return what was removed. Raises NotFound, DynConfigError.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UnlabelParameterVersion.html
    """
    pages = ssm.get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
    versions = [item for page in pages for item in page["Parameters"] if newest is None or item["Version"] <= newest]
    found = [(item["Version"], sorted(filter(is_own, item.get("Labels", [])))) for item in versions]
    for version, labels in found:
        if labels:
            ssm.unlabel_parameter_version(Name=name, ParameterVersion=version, Labels=labels)
    return tuple(f"label {label} of version {version}" for version, labels in found for label in labels)


def remove_for_good(ssm: "SSMClient", name: str) -> None:
    """Remove the labels from a released parameter, even without access to its history. Raises NotFound, DynConfigError."""
    try:
        remove(ssm, name)
    except AccessDenied:
        # The stable version can be read by its label. The labels of failed generations are not known here.
        for answer in read(ssm, [f"{name}:{STABLE}"], decrypt=False):
            ssm.unlabel_parameter_version(Name=name, ParameterVersion=answer["Version"], Labels=[STABLE])

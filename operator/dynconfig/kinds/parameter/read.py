"""Read parameters by name. An unusable KMS key affects only the parameters encrypted with it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dynconfig.api.parameter import ParameterType
from dynconfig.model.errors import STOPPING, DynConfigError

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient


def read(ssm: "SSMClient", selected: Sequence[str], *, decrypt: bool) -> list[dict[str, Any]]:
    """Call GetParameters for at most ten names, each with or without a selector.

    Each result also has `decrypted`, and `unreadable` if its KMS key cannot be used: disabled, pending deletion, deleted or
    denied. In that case GetParameters fails for the whole batch, so each secret is read on its own.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
    """
    try:
        return _read(ssm, selected, decrypt=decrypt)
    except STOPPING:
        raise
    except DynConfigError:
        if not decrypt:
            raise
    # Keep the selector: without it, the latest version would be returned instead of the labelled one.
    asked = {item.partition(":")[0]: item for item in selected}
    return [_single(ssm, asked[answer["Name"]], answer) for answer in _read(ssm, selected, decrypt=False)]


def _read(ssm: "SSMClient", selected: Sequence[str], *, decrypt: bool) -> list[dict[str, Any]]:
    answer = ssm.get_parameters(Names=list(selected), WithDecryption=decrypt)
    return [{**item, "decrypted": decrypt, "unreadable": False} for item in answer["Parameters"]]


def _single(ssm: "SSMClient", selected: str, answer: dict[str, Any]) -> dict[str, Any]:
    if answer["Type"] != ParameterType.SECURE_STRING:
        return {**answer, "decrypted": True}
    try:
        found = _read(ssm, [selected], decrypt=True)
    except STOPPING:
        raise
    except DynConfigError:
        return {**answer, "Value": "", "decrypted": True, "unreadable": True}
    return found[0] if found else answer

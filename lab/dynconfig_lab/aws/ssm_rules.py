"""What AWS rejects in a PutParameter and in names, and moto accepts: codes and texts of AWS. Pure.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dynconfig_lab.aws import tag_rules
from dynconfig_lab.aws.answers import AwsError

_NAME = re.compile(r"[a-zA-Z0-9_.\-/]+")
_SUBPATHS = (
    "If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of "
    "letters, numbers and the following 3 symbols .-_"
)
ARN_PREFIX = 45
MAX_LENGTH = 1011
MAX_LEVELS = 15
SIZES = {"Standard": 4096, "Advanced": 8192}
POLICY_TYPES = ("Expiration", "ExpirationNotification", "NoChangeNotification")
DATA_TYPES = ("text", "aws:ec2:image", "aws:ssm:integration")
MAX_TAGS = 50
LONGEST_DESCRIPTION = 1024
MAX_POLICIES = 10


@dataclass(frozen=True)
class Stored:
    """The existing state of the parameter that is written."""

    type: str
    tier: str
    allowed_pattern: str
    policies: str
    data_type: str


def canonical(name: str) -> str:
    """The stored form of a name: /X and X are one parameter, and surrounding spaces are removed."""
    bare = name.strip()
    return bare[1:] if bare.startswith("/") and bare.count("/") == 1 else bare


def check_name(name: str) -> None:
    """Raise AWS's error for an invalid name, in reads and writes."""
    bare = name.strip()
    if not _NAME.fullmatch(bare) or "//" in bare or bare.endswith("/"):
        raise _invalid(f'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). {_SUBPATHS}')
    if "/" in bare and not bare.startswith("/"):
        raise _invalid(f"Parameter name must be a fully qualified name. {_SUBPATHS}")
    if len(bare) + ARN_PREFIX > MAX_LENGTH:
        raise _invalid(f"The parameter name, with its ARN, is longer than {MAX_LENGTH} characters.")


def check_write(request: Mapping[str, Any], stored: Stored | None, has_key: Callable[[str], bool]) -> str:
    """Raise AWS's error if it rejects a PutParameter; return the resolved tier."""
    _check_new_name(request["Name"])
    _check_description(request.get("Description", ""))
    _check_type(request, stored)
    tier = _tier(request, stored)
    _check_value(request, tier, stored)
    _check_pattern(request, stored)
    _check_policies(request, tier)
    _check_key(request, stored, has_key)
    check_tags(request.get("Tags", []))
    return tier


def check_tags(tags: list[dict[str, str]], present: int = 0) -> None:
    """Raise for invalid and reserved tags, and for more than fifty."""
    tag_rules.check_list(tags, "ValidationException")
    reserved = [tag["Key"] for tag in tags if tag["Key"].lower().startswith("aws:")]
    if reserved:
        raise _invalid(f"aws: prefixed tag key names are not allowed for external use: {reserved[0]}")
    if len(tags) + present > MAX_TAGS:
        raise AwsError("TooManyTagsError", "")


def _check_new_name(name: str) -> None:
    check_name(name)
    if name.count("/") > MAX_LEVELS:
        raise AwsError(
            "HierarchyLevelLimitExceededException",
            f"Parameter name exceeds the maximum number of {MAX_LEVELS} levels in a hierarchy: {name}",
        )


def _check_description(text: str) -> None:
    if len(text) > LONGEST_DESCRIPTION:
        raise _invalid(
            f"1 validation error detected: Value '{text}' at 'description' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LONGEST_DESCRIPTION}"
        )


def _check_type(request: Mapping[str, Any], stored: Stored | None) -> None:
    if stored is None and not request.get("Type"):
        raise _invalid("A parameter type is required when you create a parameter.")
    if request.get("DataType", "text") not in DATA_TYPES:
        raise _invalid(
            f"The following data type is not supported: {request['DataType']} (Data type names are all lowercase.)"
        )
    # Terraform replaces such a parameter; that AWS rejects the change, and its text, are unproved.
    if stored and request.get("DataType", stored.data_type) != stored.data_type:
        raise _invalid(f"The data type of a parameter can't be changed: it is {stored.data_type}.")


def _tier(request: Mapping[str, Any], stored: Stored | None) -> str:
    asked = request.get("Tier") or (stored.tier if stored else "Standard")
    if asked == "Intelligent-Tiering":
        needs_more = len(request["Value"].encode()) > SIZES["Standard"] or _has_policies(request)
        was_more = stored is not None and stored.tier == "Advanced"
        return "Advanced" if needs_more or was_more else "Standard"
    if stored and stored.tier == "Advanced" and asked == "Standard":
        raise _invalid(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter "
            "tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a "
            "standard parameter. Be aware that deleting the parameter will also delete its history."
        )
    return str(asked)


def _check_value(request: Mapping[str, Any], tier: str, stored: Stored | None) -> None:
    value: str = request["Value"]
    if len(value.encode()) > SIZES[tier]:
        hint = " To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
        raise _invalid(
            f"{tier} tier parameters support a maximum parameter value of {SIZES[tier]} characters."
            f"{hint if tier == 'Standard' else ''}"
        )
    if re.search(r"\{\{.*\}\}", value, re.DOTALL):
        raise _invalid('Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.')
    kind = request.get("Type") or (stored.type if stored else "")
    # That empty items are rejected is unproved.
    if kind == "StringList" and any(not item for item in value.split(",")):
        raise _invalid("Invalid value for StringList: empty items are not allowed.")


def _check_pattern(request: Mapping[str, Any], stored: Stored | None) -> None:
    # That the pattern of the last write applies to the next is unproved.
    pattern = request.get("AllowedPattern", stored.allowed_pattern if stored else "")
    if not pattern:
        return
    try:
        matches = re.search(pattern, request["Value"]) is not None
    except re.error:
        raise AwsError(
            "InvalidAllowedPatternException", "The parameter doesn't meet the parameter name requirements."
        ) from None
    if not matches:
        raise AwsError(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def _check_policies(request: Mapping[str, Any], tier: str) -> None:
    if not _has_policies(request):
        return
    if "".join(request["Policies"].split()) == "[]":
        raise AwsError("NotEmulated", 'No source states what AWS does with Policies "[]"; "[{}]" removes all policies.')
    if tier != "Advanced":
        raise _invalid("Parameter policies are only supported for advanced-parameter tier parameters.")
    try:
        policies = json.loads(request["Policies"])
    except ValueError:
        raise AwsError("InvalidPolicyTypeException", "The policies have to be a JSON array.") from None
    if not isinstance(policies, list) or any(_policy_type(item) not in POLICY_TYPES for item in policies):
        raise AwsError(
            "InvalidPolicyTypeException", f"The policy type isn't supported; there are {', '.join(POLICY_TYPES)}."
        )
    if len(policies) > MAX_POLICIES:
        raise AwsError("PoliciesLimitExceededException", f"A parameter has at most {MAX_POLICIES} policies.")
    for policy in policies:
        _check_policy(policy)


def _policy_type(policy: object) -> object:
    return policy.get("Type") if isinstance(policy, dict) else None


def _check_policy(policy: Mapping[str, Any]) -> None:
    # The code is documented; that it applies to a date in the past is unproved.
    attributes = policy.get("Attributes")
    wanted = {"Expiration": ("Timestamp",), "ExpirationNotification": ("Before", "Unit")}.get(
        policy["Type"], ("After", "Unit")
    )
    if not isinstance(attributes, dict) or any(name not in attributes for name in wanted):
        raise AwsError("InvalidPolicyAttributeException", f"A policy {policy['Type']} needs {' and '.join(wanted)}.")
    if policy["Type"] != "Expiration":
        return
    try:
        ends = _timestamp(str(attributes["Timestamp"]))
    except ValueError:
        raise AwsError("InvalidPolicyAttributeException", "The timestamp isn't in ISO 8601.") from None
    if ends <= datetime.now(UTC):
        raise AwsError("InvalidPolicyAttributeException", "The expiration lies in the past.")


def expiration(policies: str) -> datetime | None:
    """When a parameter with these validated policies expires."""
    found = (item for item in json.loads(policies or "[]") if _policy_type(item) == "Expiration")
    return next((_timestamp(str(item["Attributes"]["Timestamp"])) for item in found), None)


def _timestamp(timestamp: str) -> datetime:
    ends = datetime.fromisoformat(timestamp)
    return ends if ends.tzinfo else ends.replace(tzinfo=UTC)


def _check_key(request: Mapping[str, Any], stored: Stored | None, has_key: Callable[[str], bool]) -> None:
    key = request.get("KeyId")
    kind = request.get("Type") or (stored.type if stored else "")
    if key and kind != "SecureString":
        raise _invalid("KeyId is only supported for SecureString parameters.")
    if key and not has_key(key):
        raise AwsError("InvalidKeyId", f"Invalid keyId {key}")


def _has_policies(request: Mapping[str, Any]) -> bool:
    return "Policies" in request and not removes_policies(request["Policies"])


def removes_policies(text: str) -> bool:
    """Whether it is the empty policy, which removes all policies.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
    """
    return "".join(text.split()) == "[{}]"


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)

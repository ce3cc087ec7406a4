"""One parameter as a value, and its translation from a declaration, from SSM's answers, and to SSM's requests. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.api.parameter import IgnoredField, ParameterType, Tier, ValuePolicy
from dynconfig.engine.declaration import Declaration, DeclaredParameter
from dynconfig.engine.resource import Versioned
from dynconfig.engine.secret import Secret, UnreadableSecret

DEFAULT_KEY = "alias/aws/ssm"
# "To remove all policies from the parameter": an empty policy in the list, and not an empty list.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
NO_POLICIES = "[{}]"
CLEARABLE = {"description": "Description", "allowed_pattern": "AllowedPattern", "policies": "Policies"}
_FIELDS = {
    IgnoredField.DESCRIPTION: "description",
    IgnoredField.TAGS: "tags",
    IgnoredField.TIER: "tier",
    IgnoredField.KMS_KEY_ID: "kms_key",
    IgnoredField.ALLOWED_PATTERN: "allowed_pattern",
    IgnoredField.POLICIES: "policies",
}

# What only DescribeParameters answers.
DESCRIBED = ("description", "tier", "kms_key", "allowed_pattern", "policies")

Pairs = tuple[tuple[str, str], ...]

# SSM takes no empty value, so that this equals none that is declared.
UNREADABLE = UnreadableSecret()

OUR_TAGS = (OWNER_TAG, FROM_SECRET_TAG)
# AWS takes 50 tags on a resource.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AddTagsToResource.html
_MAX_OTHER_TAGS = 50 - len(OUR_TAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Versioned):
    """One parameter. A value of None is nobody's business after creation (valuePolicy CreateOnly)."""

    kind: ClassVar[str] = "Parameter"
    value: str | Secret | None
    description: str = ""
    tier: str = Tier.STANDARD
    kms_key: str = field(default="", metadata={"form": "kmsKeyId"})
    allowed_pattern: str = field(default="", metadata={"form": "allowedPattern"})
    data_type: str = field(default="text", metadata={"form": "dataType"})
    policies: str = ""
    tags: Pairs = ()
    initial: str | Secret = field(default="", repr=False, metadata={"compare": False})
    """The value to create it with."""
    ignored: tuple[str, ...] = field(default=(), repr=False, metadata={"compare": False})
    """Fields that are somebody else's after creation."""
    unknown: tuple[str, ...] = field(default=(), repr=False, metadata={"compare": False})
    """Fields that could not be read."""

    @property
    def as_deleted(self) -> "Parameter":
        """Without its value and other texts."""
        return replace(self, value=None, initial="", description="", allowed_pattern="", policies="", tags=())


def observed_parameter(
    answer: Mapping[str, Any], metadata: Mapping[str, Any], tags: Pairs, own_tags: Pairs
) -> Parameter:
    """A parameter from what GetParameters, DescribeParameters and ListTagsForResource answer of it.

    Without metadata the fields that only DescribeParameters answers are unknown.
    """
    parameter = Parameter(
        name=answer["Name"],
        type=answer["Type"],
        version=answer["Version"],
        last_modified=answer["LastModifiedDate"].timestamp(),
        modified_by=metadata.get("LastModifiedUser"),
        value=_value(answer),
        data_type=answer.get("DataType", "text"),
        unknown=() if metadata else DESCRIBED,
    )
    return with_tags(with_metadata(parameter, metadata), tags, own_tags)


def with_metadata(parameter: Parameter, metadata: Mapping[str, Any]) -> Parameter:
    """A parameter with the fields that only DescribeParameters answers."""
    is_secret = parameter.type == ParameterType.SECURE_STRING
    return replace(
        parameter,
        description=metadata.get("Description", ""),
        tier=metadata.get("Tier", Tier.STANDARD),
        kms_key=metadata.get("KeyId", DEFAULT_KEY) if is_secret else "",
        allowed_pattern=metadata.get("AllowedPattern", ""),
        policies=_policies(metadata.get("Policies", ())),
    )


def _value(answer: Mapping[str, Any]) -> str | Secret | None:
    """The value; UNREADABLE if its key cannot be used, and None if nobody asked for what is in a secret."""
    if answer["Type"] != ParameterType.SECURE_STRING:
        return str(answer["Value"])
    if answer.get("unreadable"):
        return UNREADABLE
    return Secret(answer["Value"]) if answer.get("decrypted", True) else None


def with_tags(parameter: Parameter, tags: Pairs, own_tags: Pairs) -> Parameter:
    """An observed parameter with what all of its tags say; `own_tags` are those of them that are compared."""
    is_marked = FROM_SECRET_TAG in dict(tags) and parameter.type != ParameterType.SECURE_STRING
    value = parameter.value
    if is_marked and isinstance(value, str):
        value = Secret(value)
    return replace(parameter, owner=owner_of(tags), tags=own_tags, from_secret=is_marked, value=value)


def desired_parameter(declaration: Declaration, parameter: DeclaredParameter) -> Parameter:
    spec = parameter.spec
    is_secret = spec.resolved_type is ParameterType.SECURE_STRING
    return Parameter(
        name=parameter.name,
        owner=declaration.owner.tag,
        type=spec.resolved_type.value,
        value=parameter.value if spec.value_policy is ValuePolicy.ENFORCE else None,
        initial=parameter.value,
        description=spec.description,
        tier=spec.tier.value,
        kms_key=(spec.kms_key_id or DEFAULT_KEY) if is_secret else "",
        allowed_pattern=spec.allowed_pattern,
        data_type=spec.data_type,
        policies=spec.policies_json,
        tags=parameter.tags,
        from_secret=not is_secret and spec.secret_ref is not None and len(parameter.tags) <= _MAX_OTHER_TAGS,
        ignored=(*_FIELDS.values(), "data_type", "from_secret")
        if parameter.is_value_only
        else tuple(_FIELDS[field] for field in spec.ignore),
    )


def comparable(observed: Parameter, wanted: Parameter | None) -> Parameter:
    """The observed parameter in the terms of the declaration: what it leaves to AWS or to others does not differ."""
    if wanted is None:
        return observed
    # SSM resolves Intelligent-Tiering and never reports it.
    tier = wanted.tier if wanted.tier == Tier.INTELLIGENT else observed.tier
    value = observed.value
    if wanted.value is None:
        value = None
    elif isinstance(wanted.value, Secret) and isinstance(value, str):
        value = Secret(value)
    elif isinstance(value, Secret) and observed.type != ParameterType.SECURE_STRING:
        # Secret here is only that it is not shown; the same text is no difference.
        text = str(value.reveal())
        value = text if text == wanted.value or not observed.from_secret else value
    others = (*wanted.ignored, *observed.unknown)
    if (tier, value) == (observed.tier, observed.value) and not others:
        return observed
    return keeping_ignored(replace(observed, tier=tier, value=value), wanted, others)


def keeping_ignored(parameter: Parameter, other: Parameter, ignored: tuple[str, ...] | None = None) -> Parameter:
    """A parameter with those fields of another that are not the declaration's business."""
    names = parameter.ignored if ignored is None else ignored
    return replace(parameter, **{name: getattr(other, name) for name in names})


def as_version(desired: Parameter, observed: Parameter) -> Parameter:
    return replace(
        desired,
        version=observed.version,
        last_modified=observed.last_modified,
        modified_by=observed.modified_by,
        initial=observed.initial,
        ignored=observed.ignored,
        unknown=observed.unknown,
    )


def request(desired: Parameter, value: str | Secret, *, clear_policies: bool = False) -> dict[str, Any]:
    request: dict[str, Any] = {
        "Name": desired.name,
        "Value": value.reveal() if isinstance(value, Secret) else value,
        "Type": desired.type,
        "Tier": desired.tier,
        "Description": desired.description,
        "AllowedPattern": desired.allowed_pattern,
        "DataType": desired.data_type,
    }
    # A key with any other type is a ValidationException.
    if desired.type == ParameterType.SECURE_STRING:
        request["KeyId"] = desired.kms_key
    if desired.policies or clear_policies:
        request["Policies"] = desired.policies or NO_POLICIES
    return request


def cleared(desired: Parameter, observed: Parameter | None) -> tuple[str, ...]:
    """The fields that a write leaves empty and that were not: no answer to the write says whether AWS emptied them."""
    return tuple(name for name in CLEARABLE if observed and getattr(observed, name) and not getattr(desired, name))


def still_set(metadata: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Those of the fields that DescribeParameters still answers with something."""
    return [name for name in names if metadata.get(CLEARABLE[name])]


def written(desired: Parameter, answer: Mapping[str, Any]) -> Parameter:
    return replace(
        desired,
        version=answer["Version"],
        tier=answer.get("Tier", desired.tier),
        last_modified=_answered_at(answer),
        initial="",
    )


def _answered_at(answer: Mapping[str, Any]) -> float | None:
    """PutParameter does not say when the version was made; the answer says when it was given, by AWS's own clock."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() if date else None


def all_tags(parameter: Parameter) -> Pairs:
    marks = {OWNER_TAG: parameter.owner, **({FROM_SECRET_TAG: "true"} if parameter.from_secret else {})}
    return tuple(sorted((*parameter.tags, *marks.items())))


def owner_of(tags: Pairs) -> str:
    return dict(tags).get(OWNER_TAG, "")


def _policies(policies: Iterable[Mapping[str, Any]]) -> str:
    """Policies as one canonical JSON text, in the order in which AWS has them."""
    parsed = [json.loads(policy["PolicyText"]) for policy in policies]
    flat = [inner for item in parsed for inner in (item if isinstance(item, list) else [item])]
    return json.dumps(flat, sort_keys=True) if flat else ""

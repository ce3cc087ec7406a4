"""The parameter value type and its conversions: from declarations and SSM responses, to SSM requests. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.api.parameter import IgnoredField, ParameterType, Tier, ValuePolicy
from dynconfig.api.tags import MAX_TAGS_FROM_SECRET
from dynconfig.model.declaration import Declaration, DeclaredParameter
from dynconfig.model.errors import NotPossible
from dynconfig.model.resource import Versioned
from dynconfig.model.secret import Secret, UnreadableSecret
from dynconfig.model.secret_mark import KEPT, MARKED, UNMARKED, SecretMark

DEFAULT_KEY = "alias/aws/ssm"
# To remove all policies, SSM expects a list with an empty policy, not an empty list.
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

# Fields that only DescribeParameters returns.
DESCRIBED = ("description", "tier", "kms_key", "allowed_pattern", "policies")

Pairs = tuple[tuple[str, str], ...]

# SSM rejects empty values, so this never equals a declared one.
UNREADABLE = UnreadableSecret()

OUR_TAGS = (OWNER_TAG, FROM_SECRET_TAG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Versioned):
    """One parameter. A value of None is not managed after creation (valuePolicy: CreateOnly)."""

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
    """Fields that are not managed after creation."""
    unknown: tuple[str, ...] = field(default=(), repr=False, metadata={"compare": False})
    """Fields that could not be read."""

    @property
    def as_deleted(self) -> "Parameter":
        """The parameter without its value and other long text."""
        return replace(self, value=None, initial="", description="", allowed_pattern="", policies="", tags=())


def observed_parameter(
    answer: Mapping[str, Any], metadata: Mapping[str, Any], tags: Pairs, own_tags: Pairs
) -> Parameter:
    """Build a parameter from the responses of GetParameters, DescribeParameters and ListTagsForResource.

    Without metadata, the fields that only DescribeParameters returns are unknown.
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
    """Add the fields that only DescribeParameters returns."""
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
    """Return the value; UNREADABLE if its KMS key cannot be used, None for a secret that was not decrypted."""
    if answer["Type"] != ParameterType.SECURE_STRING:
        return str(answer["Value"])
    if answer.get("unreadable"):
        return UNREADABLE
    return Secret(answer["Value"]) if answer.get("decrypted", True) else None


def with_tags(parameter: Parameter, tags: Pairs, own_tags: Pairs) -> Parameter:
    """Add owner, mark and tags to an observed parameter; `own_tags` are the tags that are compared."""
    is_marked = FROM_SECRET_TAG in dict(tags) and parameter.type != ParameterType.SECURE_STRING
    value = parameter.value
    if is_marked and isinstance(value, str):
        value = Secret(value)
    return replace(
        parameter, owner=owner_of(tags), tags=own_tags, from_secret=MARKED if is_marked else UNMARKED, value=value
    )


def desired_parameter(declaration: Declaration, parameter: DeclaredParameter) -> Parameter:
    spec, restored = parameter.spec, parameter.restored
    is_secret = spec.resolved_type is ParameterType.SECURE_STRING
    kms_key = restored.kms_key if restored else spec.kms_key_id or declaration.place.default_key or DEFAULT_KEY
    return Parameter(
        name=parameter.name,
        owner=declaration.owner.tag,
        type=spec.resolved_type.value,
        value=parameter.value if spec.value_policy is ValuePolicy.ENFORCE else None,
        initial=parameter.value,
        description=spec.description,
        tier=spec.tier.value,
        kms_key=kms_key if is_secret else "",
        allowed_pattern=spec.allowed_pattern,
        data_type=spec.data_type,
        policies=spec.policies_json,
        tags=parameter.tags,
        from_secret=_mark(declaration, parameter),
        ignored=_ignored(parameter),
    )


def _mark(declaration: Declaration, parameter: DeclaredParameter) -> SecretMark:
    spec, restored = parameter.spec, parameter.restored
    is_from_secret = restored.is_secret if restored else spec.secret_ref is not None
    if is_from_secret and spec.resolved_type is not ParameterType.SECURE_STRING:
        return MARKED
    # A value that is not enforced may come from a Secret whatever the rollout: its mark is not removed by waiting.
    return KEPT if declaration.keeps_marks and spec.value_policy is ValuePolicy.ENFORCE else UNMARKED


def _ignored(parameter: DeclaredParameter) -> tuple[str, ...]:
    if not parameter.is_value_only:
        return tuple(_FIELDS[field] for field in parameter.spec.ignore)
    # A value is restored with the key of its version.
    key = "kms_key" if parameter.restored else ""
    return (*(name for name in _FIELDS.values() if name != key), "data_type")


def one_copy(text: str, wanted: Parameter | None) -> str:
    """Return the desired text if a text that was read equals it: a thousand texts may take 32 MB."""
    declared = wanted.value if wanted and wanted.value is not None else wanted and wanted.initial
    if isinstance(declared, Secret):
        return declared.held(text)
    return declared if declared == text else text


def comparable(observed: Parameter, wanted: Parameter | None) -> Parameter:
    """Normalise an observed parameter for the comparison: fields that are not managed equal the desired ones."""
    if wanted is None:
        return observed
    # SSM resolves Intelligent-Tiering and never reports it.
    tier = wanted.tier if wanted.tier == Tier.INTELLIGENT else observed.tier
    value = observed.value
    if wanted.value is None:
        value = None
    elif isinstance(wanted.value, Secret):
        value = Secret(value) if isinstance(value, str) else value
    elif isinstance(value, Secret) and observed.type != ParameterType.SECURE_STRING:
        # Secret only means masked here: equal text is not a difference.
        text = str(value.reveal())
        value = wanted.value if text == wanted.value else value if observed.from_secret.is_set else text
    mark = observed.from_secret.compared_with(wanted.from_secret)
    others = (*wanted.ignored, *observed.unknown)
    if (tier, value, mark) == (observed.tier, observed.value, observed.from_secret) and not others:
        return observed
    return keeping_ignored(replace(observed, tier=tier, value=value, from_secret=mark), wanted, others)


def keeping_ignored(parameter: Parameter, other: Parameter, ignored: tuple[str, ...] | None = None) -> Parameter:
    """Copy the fields that are not managed from another parameter."""
    names = parameter.ignored if ignored is None else ignored
    return replace(parameter, **{name: getattr(other, name) for name in names})


def refuse_incomplete(desired: Parameter, observed: Parameter | None) -> None:
    """Raise NotPossible if the text of a Secret would have no mark, or a SecureString that is restored no key."""
    mark = desired.from_secret.written_over(observed.from_secret if observed else UNMARKED)
    if mark.is_masked and len(desired.tags) > MAX_TAGS_FROM_SECRET:
        raise NotPossible(
            f"parameter {desired.name} has {len(desired.tags)} tags, and its value comes from a Secret or may be restored "
            f"to one, which needs one more. Keep at most {MAX_TAGS_FROM_SECRET} tags"
        )
    if desired.type == ParameterType.SECURE_STRING and not desired.kms_key:
        raise NotPossible(
            f"parameter {desired.name} cannot be restored: its history, which has the KMS key of the stable version, cannot be "
            "read. Allow ssm:GetParameterHistory, or edit spec to set the value you want"
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
    """Return the fields that a write clears; the response does not confirm that AWS cleared them."""
    return tuple(name for name in CLEARABLE if observed and getattr(observed, name) and not getattr(desired, name))


def still_set(metadata: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the fields that DescribeParameters still returns a value for."""
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
    """Return the time in the Date header: PutParameter does not return when the version was created."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() if date else None


def all_tags(parameter: Parameter) -> Pairs:
    marks = {OWNER_TAG: parameter.owner, **parameter.from_secret.tags}
    return tuple(sorted((*parameter.tags, *marks.items())))


def owner_of(tags: Pairs) -> str:
    return dict(tags).get(OWNER_TAG, "")


def _policies(policies: Iterable[Mapping[str, Any]]) -> str:
    """Return the policies as one canonical JSON text, in AWS's order."""
    parsed = [json.loads(policy["PolicyText"]) for policy in policies]
    flat = [inner for item in parsed for inner in (item if isinstance(item, list) else [item])]
    return json.dumps(flat, sort_keys=True) if flat else ""

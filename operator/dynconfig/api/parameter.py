"""One parameter of the spec: its value or the source of the value, and its attributes in AWS."""

import json
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue, PlainSerializer, WithJsonSchema

from dynconfig.api.model import FOR_RULES, HELD_ELSEWHERE, Flag, Model, Number, Rule, WholeNumber
from dynconfig.api.parameter_policy import ParameterPolicy, expiration, is_whole
from dynconfig.api.tags import TAG_KEYS, Tags

# PutParameter: letters, digits and _.- in levels separated by slashes; case-sensitive.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
LEVEL = "[a-zA-Z0-9_.-]+"
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
KmsKey = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[a-zA-Z0-9:/_-]+$")]
# The API server rejects a level of only `.` or `..`, since consoles, URLs and policies read those as directories. The models
# accept them, so that objects stored with one are still reconciled.
STRICT_LEVEL = r"(?:[a-zA-Z0-9_-]|\.[a-zA-Z0-9_-]|\.\.[a-zA-Z0-9_.-])[a-zA-Z0-9_.-]*"
MAX_LEVELS = 15
MAX_PARAMETERS = 1000
MAX_JSON_SCHEMA = 16384
MAX_JSON_LEVELS = 64
MAX_NODES = 50_000
"""Maximum number of lists and maps in one object: two characters of JSON take about 80 bytes of memory."""
OMITTED = "(omitted)"
"""Replaces each JSON Schema of an object with more nodes."""

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class ParameterType(StrEnum):
    """The type of a parameter in SSM."""

    STRING = "String"
    STRING_LIST = "StringList"
    SECURE_STRING = "SecureString"


class Tier(StrEnum):
    """The tier of a parameter in SSM. Intelligent-Tiering resolves to one of the other two."""

    STANDARD = "Standard"
    ADVANCED = "Advanced"
    INTELLIGENT = "Intelligent-Tiering"


class ValuePolicy(StrEnum):
    """Who owns the value after creation."""

    ENFORCE = "Enforce"
    CREATE_ONLY = "CreateOnly"


class DeletionPolicy(StrEnum):
    """What happens in AWS when an object or one of its parameters is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class IgnoredField(StrEnum):
    """A field that is not managed after creation. For the value itself, use valuePolicy."""

    DESCRIPTION = "description"
    TAGS = "tags"
    TIER = "tier"
    KMS_KEY_ID = "kmsKeyId"
    ALLOWED_PATTERN = "allowedPattern"
    POLICIES = "policies"


class KeyRef(Model):
    """A key of a Secret or ConfigMap in the namespace of the object."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME)]
    """Name of the Secret or ConfigMap, in the namespace of this object."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key that holds the value."""


class SecretKeyRef(KeyRef):
    """A key of a Secret in the namespace of the object."""

    # No default: a field without a field manager would remain when the user switches to `value` with server-side apply.
    allow_plaintext: Flag | None = None
    """Allow the value of the Secret to be stored in plaintext in AWS, as type String or StringList."""


class ValueFrom(Model):
    """The source of a value."""

    secret_key_ref: SecretKeyRef | None = None
    """Key of a Secret. Without an explicit type the parameter becomes a SecureString."""
    config_map_key_ref: KeyRef | None = None
    """Key of a ConfigMap."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.secretKeyRef) != has(self.configMapKeyRef)",
            message="exactly one of secretKeyRef and configMapKeyRef must be set",
            advice=HELD_ELSEWHERE,
        ),
    )


_CONTAINERS = (dict, list)


def _not_too_deep(schema: object) -> object:
    """Limit the depth, which all recursion into a schema relies on. The levels are therefore counted without recursion."""
    if schema == OMITTED:
        raise ValueError(
            f"must not be in an object of more than {MAX_NODES:,} lists and maps; make the JSON Schemas smaller, or split "
            "the parameters into several objects"
        )
    if not isinstance(schema, _CONTAINERS):
        return schema
    level: list[Any] = [schema]
    for _ in range(MAX_JSON_LEVELS):
        inside = [node.values() if isinstance(node, dict) else node for node in level if node]
        level = [inner for nodes in inside for inner in nodes if isinstance(inner, _CONTAINERS)]
        if not level:
            return schema
    raise ValueError(f"must not be nested deeper than {MAX_JSON_LEVELS} levels")


# Its keywords are defined by JSON Schema, so the API server must preserve unknown fields.
JsonSchema = Annotated[
    dict[str, JsonValue],
    BeforeValidator(_not_too_deep),
    PlainSerializer(lambda schema, info: {} if info.context is FOR_RULES else schema),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


class ValueSchema(Model):
    """Constraints on a value, checked for all parameters before any is written."""

    type: Literal["string", "integer", "number", "boolean", "json", "url", "host", "duration"] = "string"
    """Format of the value. `boolean` is true or false; `duration` is like 30s, 5m or 1h30m; `host` is a DNS name or IP."""
    enum: Annotated[list[Annotated[str, Field(max_length=256)]] | None, Field(min_length=1, max_length=64)] = None
    """Allowed values."""
    pattern: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    """Regular expression that must match anywhere in the value. Anchor it with ^ and $ to match the whole value."""
    minimum: Number | None = None
    """Minimum of an integer or number."""
    maximum: Number | None = None
    """Maximum of an integer or number."""
    min_length: Annotated[WholeNumber | None, Field(ge=0, le=8192)] = None
    """Minimum number of characters."""
    max_length: Annotated[WholeNumber | None, Field(ge=1, le=8192)] = None
    """Maximum number of characters."""
    json_schema: JsonSchema | None = None
    """JSON Schema (draft 2020-12) for a value of type json. $ref may only refer to the schema itself."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(!has(self.minimum) && !has(self.maximum)) || self.type in ['integer', 'number']",
            message="minimum and maximum require type integer or number",
        ),
        Rule(
            cel="!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum",
            message="minimum must not exceed maximum",
        ),
        Rule(
            cel="!has(self.jsonSchema) || self.type == 'json'",
            message="jsonSchema requires type json",
        ),
        # CEL cannot compute the size of a field that preserves unknown fields.
        Rule(
            message=f"jsonSchema must not exceed {MAX_JSON_SCHEMA} characters as compact JSON",
            holds=lambda schema: schema.json_schema is None or _size(schema.json_schema) <= MAX_JSON_SCHEMA,
        ),
    )


def _size(schema: dict[str, JsonValue]) -> int:
    return len(json.dumps(schema, separators=(",", ":"), ensure_ascii=False))


class ParameterSpec(Model):
    """One parameter below the path of the object."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            pattern=rf"^{LEVEL}(/{LEVEL})*$",
            json_schema_extra={"pattern": rf"^{STRICT_LEVEL}(/{STRICT_LEVEL})*$"},
        ),
    ]
    """Name relative to the path, without a leading slash, for example database/host."""
    value: Annotated[str | None, Field(min_length=1, max_length=16384)] = None
    """Value of the parameter. Not allowed for a SecureString; use valueFrom.secretKeyRef."""
    value_from: ValueFrom | None = None
    """Source of the value. Mutually exclusive with value."""
    type: ParameterType | None = None
    """SSM type. Defaults to SecureString with secretKeyRef, else to String."""
    kms_key_id: KmsKey | None = None
    """KMS key (ID, ARN or alias/NAME) of a SecureString. Defaults to the AWS managed key alias/aws/ssm."""
    value_policy: ValuePolicy = ValuePolicy.ENFORCE
    """Enforce keeps the value as declared. CreateOnly sets the value only at creation, for example if it is rotated elsewhere.
    For a value from a Secret this includes type, KMS key and allowedPattern."""
    deletion_policy: DeletionPolicy | None = None
    """What happens in AWS when this parameter is removed from spec or the object is deleted. Defaults to spec.deletionPolicy."""
    description: Annotated[str, Field(max_length=1024)] = ""
    """Description in SSM."""
    tier: Tier = Tier.STANDARD
    """SSM tier. Advanced is charged, allows 8 KB and policies, and cannot be changed back to Standard."""
    allowed_pattern: Annotated[str, Field(max_length=1024)] = ""
    """Regular expression that SSM enforces on every write."""
    data_type: Literal["text", "aws:ec2:image", "aws:ssm:integration"] = "text"
    """SSM data type."""
    policies: Annotated[list[ParameterPolicy], Field(max_length=10)] = Field(default_factory=list)
    """SSM parameter policies. They require the Advanced tier."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of this parameter, in addition to spec.tags."""
    ignore: Annotated[
        list[IgnoredField],
        Field(max_length=len(IgnoredField), json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(default_factory=list)
    """Fields that are set at creation only. Later changes to them are not drift and not corrected."""
    ttl_seconds: Annotated[WholeNumber | None, Field(ge=0, le=86400)] = None
    """How long readers may cache this value, in seconds. Defaults to cache.ttlSeconds."""
    schema_: Annotated[ValueSchema | None, Field(alias="schema")] = None
    """Constraints on the value. If it is invalid, nothing of the object is written."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.value) != has(self.valueFrom)",
            message="exactly one of value and valueFrom must be set",
            advice=HELD_ELSEWHERE,
        ),
        Rule(
            cel="!has(self.type) || self.type != 'SecureString' || "
            "(has(self.valueFrom) && has(self.valueFrom.secretKeyRef))",
            message="a SecureString requires valueFrom.secretKeyRef, so that its value is neither in Git nor in this object",
        ),
        Rule(
            cel="!has(self.type) || self.type == 'SecureString' || !has(self.valueFrom) || "
            "!has(self.valueFrom.secretKeyRef) || (has(self.valueFrom.secretKeyRef.allowPlaintext) && "
            "self.valueFrom.secretKeyRef.allowPlaintext)",
            message="type String and StringList store the value of the Secret in plaintext in AWS; remove type for a SecureString"
            " or set valueFrom.secretKeyRef.allowPlaintext: true",
        ),
        Rule(
            cel="!has(self.kmsKeyId) || (has(self.type) ? self.type == 'SecureString' : "
            "(has(self.valueFrom) && has(self.valueFrom.secretKeyRef)))",
            message="kmsKeyId requires type SecureString; remove it or set type: SecureString",
        ),
        Rule(
            cel="!has(self.policies) || size(self.policies) == 0 || (has(self.tier) && self.tier != 'Standard')",
            message="policies require tier: Advanced or Intelligent-Tiering",
        ),
        Rule(
            message="policies must have at most one Expiration, and one if there is an ExpirationNotification",
            holds=lambda parameter: is_whole(parameter.policies),
        ),
        Rule(
            cel="!has(self.value) || !self.value.contains('{{')",
            message="value must not contain {{, which SSM reserves for references",
        ),
        # The API server enforces this for a list-set.
        Rule(
            message="ignore must not repeat a field",
            holds=lambda parameter: len(set(parameter.ignore)) == len(parameter.ignore),
        ),
        TAG_KEYS,
    )

    @property
    def secret_ref(self) -> SecretKeyRef | None:
        """The Secret key that the value comes from, if any."""
        return self.value_from.secret_key_ref if self.value_from else None

    @property
    def config_map_ref(self) -> KeyRef | None:
        """The ConfigMap key that the value comes from, if any."""
        return self.value_from.config_map_key_ref if self.value_from else None

    @property
    def resolved_type(self) -> ParameterType:
        """The declared type, or the default type for the source of the value."""
        if self.type is not None:
            return self.type
        return ParameterType.SECURE_STRING if self.secret_ref else ParameterType.STRING

    @property
    def is_plaintext_secret(self) -> bool:
        """Whether AWS stores a value from a Secret in plaintext."""
        return self.secret_ref is not None and self.resolved_type is not ParameterType.SECURE_STRING

    @property
    def policies_json(self) -> str:
        """The policies in the format of PutParameter; empty if there are none."""
        return json.dumps([policy.as_aws() for policy in self.policies], sort_keys=True) if self.policies else ""

    @property
    def expires(self) -> float | None:
        """When SSM deletes the parameter, in seconds since the epoch; None if it does not."""
        return expiration(self.policies)

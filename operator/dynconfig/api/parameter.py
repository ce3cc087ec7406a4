"""One parameter as the user declares it: its value or where the value comes from, and what AWS keeps beside it."""

import json
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from dynconfig.api.model import HELD_ELSEWHERE, Flag, Model, Number, Rule, WholeNumber
from dynconfig.api.parameter_policy import ParameterPolicy, expiration, is_whole
from dynconfig.api.tags import LEGAL_TAG_KEYS, NO_RESERVED_TAGS, Tags

# PutParameter: letters, digits and _.- in levels parted by slashes; case matters.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
LEVEL = "[a-zA-Z0-9_.-]+"
# The API server takes no level that is only `.` or `..`: consoles, URLs and policies read those as folders. The models
# take them, so that an object that was stored with one is still served.
STRICT_LEVEL = r"(?:[a-zA-Z0-9_-]|\.[a-zA-Z0-9_-]|\.\.[a-zA-Z0-9_.-])[a-zA-Z0-9_.-]*"
MAX_LEVELS = 15
MAX_PARAMETERS = 1000
MAX_JSON_SCHEMA = 16384
MAX_JSON_LEVELS = 64
MAX_NODES = 50_000
"""Lists and maps of one object that the operator reads: two characters as JSON take some eighty bytes of memory."""
OMITTED = "(omitted)"
"""In the place of each JSON Schema of an object that has more."""

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class ParameterType(StrEnum):
    """The type of a parameter in SSM."""

    STRING = "String"
    STRING_LIST = "StringList"
    SECURE_STRING = "SecureString"


class Tier(StrEnum):
    """The tier of a parameter in SSM; Intelligent-Tiering resolves to one of the other two."""

    STANDARD = "Standard"
    ADVANCED = "Advanced"
    INTELLIGENT = "Intelligent-Tiering"


class ValuePolicy(StrEnum):
    """Who owns the value after creation."""

    ENFORCE = "Enforce"
    CREATE_ONLY = "CreateOnly"


class DeletionPolicy(StrEnum):
    """What happens in AWS when an object, or a parameter of it, goes."""

    DELETE = "Delete"
    RETAIN = "Retain"


class IgnoredField(StrEnum):
    """A field that somebody else may keep after creation; for the value itself there is valuePolicy."""

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
    """Key whose content is the value."""


class SecretKeyRef(KeyRef):
    """A key of a Secret in the namespace of the object."""

    # No default: what no field manager owns would stay behind where one moves on to `value` with server-side apply.
    allow_plaintext: Flag | None = None
    """Whether AWS may keep the text of the Secret in plaintext, as type String or StringList does."""


class ValueFrom(Model):
    """Where a value comes from."""

    secret_key_ref: SecretKeyRef | None = None
    """A key of a Secret. Without an explicit type the parameter becomes a SecureString."""
    config_map_key_ref: KeyRef | None = None
    """A key of a ConfigMap."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.secretKeyRef) != has(self.configMapKeyRef)",
            message="give exactly one of secretKeyRef and configMapKeyRef",
            advice=HELD_ELSEWHERE,
            holds=lambda source: (source.secret_key_ref is None) != (source.config_map_key_ref is None),
        ),
    )


_CONTAINERS = (dict, list)


def _not_too_deep(schema: object) -> object:
    """Whatever recurses into a schema relies on this; so it is counted without recursion, and level by level."""
    if schema == OMITTED:
        raise ValueError(
            f"must not be in an object of more than {MAX_NODES:,} lists and maps; make the JSON Schemas smaller, or divide "
            "the parameters between several objects"
        )
    if not isinstance(schema, _CONTAINERS):
        return schema
    level: list[Any] = [schema]
    for _ in range(MAX_JSON_LEVELS):
        inside = [node.values() if isinstance(node, dict) else node for node in level if node]
        level = [inner for nodes in inside for inner in nodes if isinstance(inner, _CONTAINERS)]
        if not level:
            return schema
    raise ValueError(f"must not have more than {MAX_JSON_LEVELS} levels")


# Its keywords are those of JSON Schema, not ours: the API server keeps them as they are.
JsonSchema = Annotated[
    dict[str, JsonValue],
    BeforeValidator(_not_too_deep),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


class ValueSchema(Model):
    """What a value must look like; checked for all parameters before any is written."""

    type: Literal["string", "integer", "number", "boolean", "json", "url", "host", "duration"] = "string"
    """The form of the value. `boolean` is true or false; `duration` is like 30s, 5m or 1h30m; `host` is a DNS name or IP."""
    enum: Annotated[list[Annotated[str, Field(max_length=256)]] | None, Field(min_length=1, max_length=64)] = None
    """The only values allowed."""
    pattern: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    """A regular expression that must match somewhere in the value; anchor it with ^ and $ to match all of it."""
    minimum: Number | None = None
    """The smallest integer or number allowed."""
    maximum: Number | None = None
    """The largest integer or number allowed."""
    min_length: Annotated[WholeNumber | None, Field(ge=0, le=8192)] = None
    """The smallest number of characters allowed."""
    max_length: Annotated[WholeNumber | None, Field(ge=1, le=8192)] = None
    """The largest number of characters allowed."""
    json_schema: JsonSchema | None = None
    """A JSON Schema (Draft 2020-12) for a value of type json; it stands alone, so $ref points into itself only."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(!has(self.minimum) && !has(self.maximum)) || self.type in ['integer', 'number']",
            message="minimum and maximum need type integer or number",
            holds=lambda schema: schema.bounds == (None, None) or schema.type in ("integer", "number"),
        ),
        Rule(
            cel="!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum",
            message="minimum must not be above maximum",
            holds=lambda schema: None in schema.bounds or schema.minimum <= schema.maximum,
        ),
        Rule(
            cel="!has(self.jsonSchema) || self.type == 'json'",
            message="jsonSchema needs type json",
            holds=lambda schema: schema.json_schema is None or schema.type == "json",
        ),
        # CEL cannot measure what has no declared fields.
        Rule(
            cel="",
            message=f"jsonSchema must not have more than {MAX_JSON_SCHEMA} characters as compact JSON",
            holds=lambda schema: schema.json_schema is None or _size(schema.json_schema) <= MAX_JSON_SCHEMA,
        ),
    )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The smallest and largest number allowed."""
        return self.minimum, self.maximum


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
    """The value itself. Never for a SecureString: refer to a Secret instead."""
    value_from: ValueFrom | None = None
    """Where the value comes from, instead of value."""
    type: ParameterType | None = None
    """SSM type. If absent: SecureString with a secretKeyRef, else String."""
    kms_key_id: Annotated[str | None, Field(min_length=1, max_length=256, pattern=r"^[a-zA-Z0-9:/_-]+$")] = None
    """KMS key (id, ARN or alias/NAME) of a SecureString. If absent, the AWS managed key alias/aws/ssm."""
    value_policy: ValuePolicy = ValuePolicy.ENFORCE
    """Enforce keeps the value as declared. CreateOnly sets it once, then a rotator or a person owns it, and of a secret value
    the type, KMS key and pattern, too."""
    deletion_policy: DeletionPolicy | None = None
    """What happens in AWS when this parameter leaves the list or the object goes; if absent, the object's deletionPolicy."""
    description: Annotated[str, Field(max_length=1024)] = ""
    """Description kept in SSM."""
    tier: Tier = Tier.STANDARD
    """SSM tier. Advanced costs money, takes 8 KB and policies, and cannot go back to Standard."""
    allowed_pattern: Annotated[str, Field(max_length=1024)] = ""
    """Regular expression that SSM itself checks at every write, whoever writes."""
    data_type: Literal["text", "aws:ec2:image", "aws:ssm:integration"] = "text"
    """SSM data type."""
    policies: Annotated[list[ParameterPolicy], Field(max_length=10)] = Field(default_factory=list)
    """SSM parameter policies; they need the Advanced tier."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of this parameter, on top of the tags of the object."""
    ignore: Annotated[
        list[IgnoredField],
        Field(max_length=len(IgnoredField), json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(default_factory=list)
    """Fields that a team tunes by hand: set at creation as declared, then neither drift nor corrected."""
    ttl_seconds: Annotated[WholeNumber | None, Field(ge=0, le=86400)] = None
    """How long a reader may keep this value, in seconds; if absent, cache.ttlSeconds."""
    schema_: Annotated[ValueSchema | None, Field(alias="schema")] = None
    """What the value must look like; a value that does not fit stops the whole object before the first write."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.value) != has(self.valueFrom)",
            message="give exactly one of value and valueFrom",
            advice=HELD_ELSEWHERE,
            holds=lambda parameter: (parameter.value is None) != (parameter.value_from is None),
        ),
        Rule(
            cel="!has(self.type) || self.type != 'SecureString' || "
            "(has(self.valueFrom) && has(self.valueFrom.secretKeyRef))",
            message="a SecureString takes its value from valueFrom.secretKeyRef only, so that it stays out of Git and etcd",
            holds=lambda parameter: (
                parameter.type is not ParameterType.SECURE_STRING or parameter.secret_ref is not None
            ),
        ),
        Rule(
            cel="!has(self.type) || self.type == 'SecureString' || !has(self.valueFrom) || "
            "!has(self.valueFrom.secretKeyRef) || (has(self.valueFrom.secretKeyRef.allowPlaintext) && "
            "self.valueFrom.secretKeyRef.allowPlaintext)",
            message="type String and StringList keep the text of the Secret in plaintext in AWS; remove type for a SecureString, "
            "or set valueFrom.secretKeyRef.allowPlaintext: true",
            holds=lambda parameter: not parameter.is_plaintext_secret or parameter.secret_ref.allow_plaintext is True,
        ),
        Rule(
            cel="!has(self.kmsKeyId) || (has(self.type) ? self.type == 'SecureString' : "
            "(has(self.valueFrom) && has(self.valueFrom.secretKeyRef)))",
            message="kmsKeyId is for a SecureString only; remove it or set type: SecureString",
            holds=lambda parameter: (
                parameter.kms_key_id is None or parameter.resolved_type is ParameterType.SECURE_STRING
            ),
        ),
        Rule(
            cel="!has(self.policies) || size(self.policies) == 0 || (has(self.tier) && self.tier != 'Standard')",
            message="policies need tier: Advanced or Intelligent-Tiering",
            holds=lambda parameter: not parameter.policies or parameter.tier is not Tier.STANDARD,
        ),
        Rule(
            cel="",
            message="policies must have at most one Expiration, and one if there is an ExpirationNotification",
            holds=lambda parameter: is_whole(parameter.policies),
        ),
        Rule(
            cel="!has(self.value) || !self.value.contains('{{')",
            message="value must not contain {{, which SSM reserves for references",
            holds=lambda parameter: "{{" not in (parameter.value or ""),
        ),
        # The API server says this of a list-set by itself.
        Rule(
            cel="",
            message="ignore must not repeat a field",
            holds=lambda parameter: len(set(parameter.ignore)) == len(parameter.ignore),
        ),
        NO_RESERVED_TAGS,
        LEGAL_TAG_KEYS,
    )

    @property
    def secret_ref(self) -> SecretKeyRef | None:
        """The Secret's key that holds the value, if one does."""
        return self.value_from.secret_key_ref if self.value_from else None

    @property
    def config_map_ref(self) -> KeyRef | None:
        """The ConfigMap's key that holds the value, if one does."""
        return self.value_from.config_map_key_ref if self.value_from else None

    @property
    def resolved_type(self) -> ParameterType:
        """The declared type, or the one that follows from where the value comes from."""
        if self.type is not None:
            return self.type
        return ParameterType.SECURE_STRING if self.secret_ref else ParameterType.STRING

    @property
    def is_plaintext_secret(self) -> bool:
        """Whether AWS keeps in plain text what comes from a Secret."""
        return self.secret_ref is not None and self.resolved_type is not ParameterType.SECURE_STRING

    @property
    def policies_json(self) -> str:
        """The policies as PutParameter takes them, empty if there are none."""
        return json.dumps([policy.as_aws() for policy in self.policies], sort_keys=True) if self.policies else ""

    @property
    def expires(self) -> float | None:
        """When SSM deletes the parameter, in seconds since the epoch; None if it does not."""
        return expiration(self.policies)

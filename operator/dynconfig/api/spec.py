"""The `spec` of a DynamicConfig."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.alarms import AlarmsSpec
from dynconfig.api.duration import DURATION, seconds
from dynconfig.api.function import FunctionSpec
from dynconfig.api.model import Flag, Model, Rule, WholeNumber
from dynconfig.api.parameter import (
    LEVEL,
    MAX_LEVELS,
    MAX_PARAMETERS,
    STRICT_LEVEL,
    DeletionPolicy,
    ParameterSpec,
)
from dynconfig.api.rollout import RolloutSpec
from dynconfig.api.tags import MAX_TAGS_FROM_SECRET, MAX_TAGS_TOGETHER, TAG_KEYS, Tags

# The geographic prefix has two letters, or four in the European Sovereign Cloud.
REGION = r"[a-z]{2,4}(-[a-z]+)+-[0-9]"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
TARGET_NAME = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"


class DriftPolicy(StrEnum):
    """Whether drift is corrected."""

    CORRECT = "Correct"
    REPORT = "Report"


class AdoptionPolicy(StrEnum):
    """Whether existing AWS resources may be adopted."""

    NEVER = "Never"
    IF_UNOWNED = "IfUnowned"


class OnChange(StrEnum):
    """How readers get a changed value."""

    EXPIRE = "Expire"
    REFRESH = "Refresh"


class CacheSpec(Model):
    """How readers cache the values."""

    ttl_seconds: Annotated[WholeNumber, Field(ge=0, le=300)] = 300
    """How long the AWS Parameters and Secrets extension caches a value, in seconds. At most 300; 0 disables caching."""
    size: Annotated[WholeNumber, Field(ge=0, le=1000)] = 1000
    """Maximum number of values in the cache of the extension. 0 disables caching."""
    on_change: OnChange = OnChange.EXPIRE
    """Expire: a changed value is read once the TTL has expired. Refresh: execution environments are replaced at once."""


class ValueRule(Model):
    """A condition over several values."""

    rule: Annotated[str, Field(min_length=1, max_length=1024)]
    """CEL expression over config, whose values have the type of their schema: config['db/pool'] <= config['db/max'].

    It may take at most 8 MiB of memory: use map and filter only on lists of up to about 700 items.
    """
    message: Annotated[str, Field(max_length=512)] = ""
    """Message to report when the rule is false. Defaults to the rule itself."""


class DynamicConfigSpec(Model):
    """The configuration of one application: parameters below a path, and how the operator keeps AWS in sync with them."""

    path: Annotated[
        str,
        Field(
            min_length=2,
            max_length=400,
            pattern=rf"^(/{LEVEL})+$",
            json_schema_extra={"pattern": rf"^(/{STRICT_LEVEL})+$"},
        ),
    ]
    """Path of all parameters, for example /myapp/config. Immutable."""
    region: Annotated[str | None, Field(max_length=32, pattern=f"^{REGION}$")] = None
    """AWS region. Defaults to the region of the operator. Immutable."""
    target: Annotated[str | None, Field(min_length=1, max_length=63, pattern=f"^{TARGET_NAME}$")] = None
    """AWSTarget: account, region, role, and what the namespace may use there. Defaults to the default target of the operator, or
    without one to its own identity and region. Immutable."""
    suspend: Flag = False
    """Observe and report only; do not write to AWS."""
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    """Correct reverts changes made in AWS. Report records drift in status without correcting it."""
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    """Delete removes parameters that are removed from spec and, when the object is deleted, all resources it owns. Retain keeps
    them, without an owner. A parameter that another object declares and may adopt is handed over to it in both cases."""
    adoption_policy: AdoptionPolicy = AdoptionPolicy.NEVER
    """IfUnowned adopts parameters that have no owner or were handed over by another object, nothing else. Never rejects them."""
    resync_interval: Annotated[str, Field(min_length=2, max_length=16, pattern=DURATION)] = "10m"
    """How often AWS is compared with spec when no event arrives, from 10s to 24h, for example 10m."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of all resources that this object creates."""
    cache: CacheSpec = Field(default_factory=CacheSpec)
    """How readers cache the values."""
    parameters: Annotated[list[ParameterSpec], Field(max_length=MAX_PARAMETERS)] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """The parameters below the path. Names must be unique."""
    value_rules: Annotated[list[ValueRule], Field(alias="rules", max_length=64)] = Field(default_factory=list)
    """Conditions over several values. If one is false, nothing of the object is written."""
    function: FunctionSpec | None = None
    """The Lambda function that reads the configuration. If absent, only parameters are managed."""
    alarms: AlarmsSpec | None = None
    """CloudWatch alarms and a composite alarm over them. {} creates the default alarms. If absent, there are none."""
    dashboard: Flag = False
    """Create a CloudWatch dashboard of the function, its cache and the alarms."""
    rollout: RolloutSpec | None = None
    """How changes are rolled out. If absent, a change is stable as soon as it is applied."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.path == oldSelf.path",
            message="path is immutable; create a new object and delete this one",
            field="path",
        ),
        Rule(
            cel="has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)",
            message="region is immutable; create a new object and delete this one",
            field="region",
        ),
        Rule(
            cel="has(self.target) == has(oldSelf.target) && (!has(self.target) || self.target == oldSelf.target)",
            message="target is immutable; create a new object and delete this one",
            field="target",
        ),
        Rule(
            cel="!self.path.matches('^/(?i)(aws|ssm)')",
            message="path must not begin with /aws or /ssm, which AWS reserves",
            field="path",
        ),
        # Each access to a field of self takes the API server microseconds, so a list of one item binds what all parameters need.
        Rule(
            cel="!has(self.parameters) || [size(self.path.split('/')) - 1].all(levels, self.parameters.all(p, "
            f"levels + size(p.name.split('/')) <= {MAX_LEVELS}))",
            message=f"path and name together must not exceed {MAX_LEVELS} levels",
            field="parameters",
        ),
        Rule(
            cel="!has(self.resyncInterval) || (duration(self.resyncInterval) >= duration('10s') && "
            "duration(self.resyncInterval) <= duration('24h'))",
            message="resyncInterval must be between 10s and 24h",
            field="resyncInterval",
        ),
        # The API server enforces this for a list-map; this rule checks files locally.
        Rule(
            message="parameters must not repeat a name",
            holds=lambda spec: len({parameter.name for parameter in spec.parameters}) == len(spec.parameters),
        ),
        Rule(
            cel="!has(self.alarms) || has(self.function) || (has(self.alarms.defaults) && !self.alarms.defaults && "
            "(!has(self.alarms.custom) || self.alarms.custom.all(alarm, has(alarm.metric))))",
            message="alarms.defaults requires function; declare function, or set alarms.defaults: false and give each "
            "alarm in alarms.custom a metric",
            field="alarms",
        ),
        Rule(
            cel="!has(self.region) || !has(self.alarms) || !has(self.alarms.notify) || "
            "self.alarms.notify.all(topic, topic.split(':')[3] == self.region)",
            message="alarms.notify must only have topics in the region of this object",
            field="alarms",
        ),
        TAG_KEYS,
        Rule(
            cel="!has(self.tags) || !has(self.parameters) || [self.tags].all(tags, self.parameters.all(p, !has(p.tags) || "
            f"size(tags) + size(p.tags) <= {MAX_TAGS_FROM_SECRET} || "
            "size(tags) + size(p.tags.filter(key, !(key in tags))) <= (has(p.type) && p.type != 'SecureString' && "
            f"has(p.valueFrom) && has(p.valueFrom.secretKeyRef) ? {MAX_TAGS_FROM_SECRET} : {MAX_TAGS_TOGETHER})))",
            message=f"a parameter must not have more than {MAX_TAGS_TOGETHER} tags, including those of the object; if a "
            f"String or StringList takes its value from a Secret, {MAX_TAGS_FROM_SECRET}, since a tag marks it. Remove tags",
            field="parameters",
        ),
        # IAM compares the tag keys of a role case-insensitively.
        Rule(
            message="tags must not have keys that differ only by case, since IAM treats them as the same key; rename one",
            holds=lambda spec: spec.function is None or len({key.lower() for key in spec.tags}) == len(spec.tags),
        ),
    )

    @property
    def resync_seconds(self) -> int:
        """The resync interval in seconds."""
        return seconds(self.resync_interval)

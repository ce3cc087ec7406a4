"""What the user declares in `spec` of a DynamicConfig."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.alarms import AlarmsSpec, region_of
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
from dynconfig.api.tags import LEGAL_TAG_KEYS, MAX_TAGS_TOGETHER, NO_RESERVED_TAGS, Tags

# The parts of the world are two letters, and four of the sovereign cloud.
REGION = r"[a-z]{2,4}(-[a-z]+)+-[0-9]"


class DriftPolicy(StrEnum):
    """What to do about a change that was made in AWS."""

    CORRECT = "Correct"
    REPORT = "Report"


class AdoptionPolicy(StrEnum):
    """Whether AWS resources that exist already may be taken over."""

    NEVER = "Never"
    IF_UNOWNED = "IfUnowned"


class OnChange(StrEnum):
    """How a changed value reaches the readers."""

    EXPIRE = "Expire"
    REFRESH = "Refresh"


class CacheSpec(Model):
    """How readers cache the values."""

    ttl_seconds: Annotated[WholeNumber, Field(ge=0, le=300)] = 300
    """How long the AWS Parameters and Secrets extension keeps a value, in seconds; it caps at 300, and 0 turns caching off."""
    size: Annotated[WholeNumber, Field(ge=0, le=1000)] = 1000
    """How many values the extension keeps; 0 turns caching off."""
    on_change: OnChange = OnChange.EXPIRE
    """Expire: a changed value is read when the TTL is over. Refresh: fresh execution environments at once."""


class ValueRule(Model):
    """What must be true of several values together."""

    rule: Annotated[str, Field(min_length=1, max_length=1024)]
    """A condition in CEL over config, in which values have the type of their schema: config['db/pool'] <= config['db/max']."""
    message: Annotated[str, Field(max_length=512)] = ""
    """What to tell when the condition is false; if empty, the condition itself."""


class DynamicConfigSpec(Model):
    """The configuration of one application: parameters below a path, and how AWS is kept equal to them."""

    path: Annotated[
        str,
        Field(
            min_length=2,
            max_length=400,
            pattern=rf"^(/{LEVEL})+$",
            json_schema_extra={"pattern": rf"^(/{STRICT_LEVEL})+$"},
        ),
    ]
    """Path of all parameters, for example /myapp/config. It cannot be changed."""
    region: Annotated[str | None, Field(max_length=32, pattern=f"^{REGION}$")] = None
    """AWS region; if absent, the region of the operator. It cannot be changed."""
    suspend: Flag = False
    """Observe and report, but write nothing to AWS."""
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    """Correct undoes changes made in AWS; Report only tells of them in status."""
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    """Delete removes what the object owns when it is deleted, and parameters that leave the list; Retain leaves them, unowned.
    A parameter that another object declares and may adopt is handed over to it in either case."""
    adoption_policy: AdoptionPolicy = AdoptionPolicy.NEVER
    """IfUnowned takes over parameters without an owner or handed over by another object, and nothing else; Never refuses them."""
    resync_interval: Annotated[str, Field(min_length=2, max_length=16, pattern=DURATION)] = "10m"
    """How often AWS is looked at when nothing is heard of it, from 10s to 24h, for example 10m."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of everything this object makes."""
    cache: CacheSpec = Field(default_factory=CacheSpec)
    """How readers cache the values."""
    parameters: Annotated[list[ParameterSpec], Field(max_length=MAX_PARAMETERS)] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """The parameters below the path, each name once."""
    value_rules: Annotated[list[ValueRule], Field(alias="rules", max_length=64)] = Field(default_factory=list)
    """Conditions over several values; one that is false stops the whole object before the first write."""
    function: FunctionSpec | None = None
    """The function that reads the configuration; without it only parameters are kept."""
    alarms: AlarmsSpec | None = None
    """CloudWatch alarms, and one over all of them; {} gives the default ones. Without it there are none."""
    dashboard: Flag = False
    """A CloudWatch dashboard of the function, its cache and the alarms."""
    rollout: RolloutSpec | None = None
    """How a change proves itself; if absent, a change counts as good as soon as it is written."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.path == oldSelf.path",
            message="path cannot be changed; make a new object and delete this one",
            field="path",
            allows=lambda before, after: before.path == after.path,
        ),
        Rule(
            cel="has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)",
            message="region cannot be changed; make a new object and delete this one",
            field="region",
            allows=lambda before, after: before.region == after.region,
        ),
        Rule(
            cel="!self.path.matches('^/(?i)(aws|ssm)')",
            message="path must not begin with /aws or /ssm, which AWS reserves",
            holds=lambda spec: not re.match(r"/(aws|ssm)", spec.path, re.IGNORECASE),
            field="path",
        ),
        Rule(
            cel="!has(self.parameters) || self.parameters.all(p, "
            f"size(self.path.split('/')) - 1 + size(p.name.split('/')) <= {MAX_LEVELS})",
            message=f"path and name together must not have more than {MAX_LEVELS} levels",
            holds=lambda spec: all(
                (spec.path + "/" + parameter.name).count("/") <= MAX_LEVELS for parameter in spec.parameters
            ),
            field="parameters",
        ),
        Rule(
            cel="!has(self.resyncInterval) || (duration(self.resyncInterval) >= duration('10s') && "
            "duration(self.resyncInterval) <= duration('24h'))",
            message="resyncInterval must be between 10s and 24h",
            holds=lambda spec: 10 <= seconds(spec.resync_interval) <= 86400,
            field="resyncInterval",
        ),
        # The API server says this of a list-map by itself; a file on a laptop has nobody else to say it.
        Rule(
            cel="",
            message="parameters must not repeat a name",
            holds=lambda spec: len({parameter.name for parameter in spec.parameters}) == len(spec.parameters),
        ),
        Rule(
            cel="!has(self.alarms) || has(self.function) || (has(self.alarms.defaults) && !self.alarms.defaults && "
            "(!has(self.alarms.custom) || self.alarms.custom.all(alarm, has(alarm.metric))))",
            message="alarms.defaults needs function; declare function, or set alarms.defaults: false and give each "
            "alarm in alarms.custom a metric",
            holds=lambda spec: spec.alarms is None or spec.function is not None or not spec.alarms.needs_function,
            field="alarms",
        ),
        Rule(
            cel="!has(self.region) || !has(self.alarms) || !has(self.alarms.notify) || "
            "self.alarms.notify.all(topic, topic.split(':')[3] == self.region)",
            message="alarms.notify takes topics of the object's own region only",
            holds=lambda spec: (
                spec.region is None
                or spec.alarms is None
                or all(region_of(topic) == spec.region for topic in spec.alarms.notify)
            ),
            field="alarms",
        ),
        NO_RESERVED_TAGS,
        LEGAL_TAG_KEYS,
        Rule(
            cel="!has(self.tags) || !has(self.parameters) || self.parameters.all(p, !has(p.tags) || "
            f"size(self.tags) + size(p.tags.filter(key, !(key in self.tags))) <= {MAX_TAGS_TOGETHER})",
            message=f"a parameter must not have more than {MAX_TAGS_TOGETHER} tags, its own and those of the object",
            holds=lambda spec: all(len({*spec.tags, *p.tags}) <= MAX_TAGS_TOGETHER for p in spec.parameters),
            field="parameters",
        ),
        # IAM tells tags of a role apart without their case.
        Rule(
            cel="",
            message="tags must not have keys that differ by case only, since IAM does not tell them apart; rename one",
            holds=lambda spec: spec.function is None or len({key.lower() for key in spec.tags}) == len(spec.tags),
        ),
    )

    @property
    def resync_seconds(self) -> int:
        """The resync interval in seconds."""
        return seconds(self.resync_interval)

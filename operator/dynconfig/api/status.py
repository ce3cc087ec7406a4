"""What the operator tells in `status` of a DynamicConfig, and the closed list of reasons it uses."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dynconfig.api.model import Model
from dynconfig.api.parameter import MAX_PARAMETERS

MAX_DRIFT = 100
MESSAGE_LENGTH = 4096
MAX_EXPIRED = 100
MAX_REFUSED = 50
REFUSED_MESSAGE_LENGTH = 512
AUTHOR_LENGTH = 512
REQUEST_LENGTH = 256


def _moment(text: str) -> str:
    """The text itself. Raises ValueError where it is no moment that can be computed with."""
    try:
        datetime.fromisoformat(text).timestamp()
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return text


Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
"""A moment as Kubernetes writes it."""


class ConditionType(StrEnum):
    """The conditions; all but Ready stand in status only while they are true.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
    """

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DRIFTED = "Drifted"
    BAKING = "Baking"


class Reason(StrEnum):
    """Every reason a condition or an Event may carry, beside the names of the errors in `engine.errors`."""

    IN_SYNC = "InSync"
    APPLYING = "Applying"
    DELETING = "Deleting"
    SUSPENDED = "Suspended"
    BAKING = "Baking"
    ALARM_FIRING = "AlarmFiring"
    ROLLED_BACK = "RolledBack"
    STABLE = "Stable"
    DRIFT_REPORTED = "DriftReported"
    CREATED = "Created"
    UPDATED = "Updated"
    DELETED = "Deleted"
    RETAINED = "Retained"
    HANDED_OVER = "HandedOver"
    DRIFT_FOUND = "DriftFound"
    DRIFT_CORRECTED = "DriftCorrected"
    WAITING = "Waiting"
    DELETION_FAILING = "DeletionFailing"
    ABANDONED = "Abandoned"
    EVENTS_MISSING = "EventsMissing"
    LABEL_REMOVED = "LabelRemoved"


class Condition(Model):
    """One condition, as metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    """Ready, Reconciling, Stalled, Drifted or Baking."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=128)]
    """One word for the cause."""
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)]
    """What it means and what to do."""
    last_transition_time: Moment
    """When status last changed."""
    observed_generation: int | None = None
    """The generation of spec that this speaks of."""


class ParameterStatus(Model):
    """One parameter as AWS has it; never its value."""

    name: Annotated[str, Field(max_length=1011)]
    """Full name in SSM."""
    type: Annotated[str, Field(max_length=32)]
    """SSM type."""
    version: int
    """SSM version."""
    last_modified: Moment | None = None
    """When the value was last written."""
    secret: bool | None = None
    """True if the value is no SecureString and came from a Secret: it is masked in every output."""
    deletion_policy: Annotated[str | None, Field(max_length=16)] = None
    """The parameter's own deletionPolicy, which counts when it has left spec."""


class Drift(Model):
    """One field that AWS has otherwise than declared; values of a SecureString are masked."""

    resource: Annotated[str, Field(max_length=1100)]
    """Kind and name, for example Parameter /myapp/config/api/timeout."""
    field: Annotated[str, Field(max_length=64)]
    """The field that differs; `exists` if the whole resource is missing or too much."""
    declared: Annotated[str, Field(max_length=256)]
    """What spec says; of a long text the part around the first difference."""
    observed: Annotated[str, Field(max_length=256)]
    """What AWS says; of a long text the part around the first difference."""
    digest: Annotated[str | None, Field(max_length=64)] = None
    """Digest of both texts in full, if one of them is shortened."""
    since: Moment
    """When the operator first saw it."""
    last_modified_by: Annotated[str | None, Field(max_length=AUTHOR_LENGTH)] = None
    """Who changed it, where AWS tells."""


class ResourceStatus(Model):
    """One AWS resource besides the parameters."""

    kind: Annotated[str, Field(max_length=64)]
    """Kind of resource, for example Function."""
    name: Annotated[str, Field(max_length=512)]
    """Name in AWS."""
    arn: Annotated[str, Field(max_length=1200)]
    """ARN of the resource."""
    url: Annotated[str | None, Field(max_length=512)] = None
    """Where it answers, if it does."""
    layer: Annotated[str | None, Field(max_length=256)] = None
    """Layer version of the extension that the function has: AWS's newest when it was added, or that of the operator's table."""


class RefusedStatus(Model):
    """One resource that is not as declared, since AWS refuses it or it belongs to someone else."""

    resource: Annotated[str, Field(max_length=1100)]
    """Kind and name, for example Parameter /myapp/config/api/timeout; the kind alone if none of them can be read."""
    reason: Annotated[str, Field(max_length=128)]
    """One word for the cause; Waiting: it depends on another resource of this list."""
    message: Annotated[str, Field(max_length=REFUSED_MESSAGE_LENGTH)]
    """What happened and what to do."""


class Bake(Model):
    """A change that has not proved itself yet."""

    generation: int
    """The generation that changed something."""
    since: Moment
    """When it began."""
    until: Moment
    """When its bake time is over."""


class Rollback(Model):
    """A generation that was undone."""

    generation: int
    """The generation that failed; it is not tried again until spec or a Secret changes, or a person asks."""
    to: Annotated[str, Field(max_length=16)]
    """The revision that stands in its place."""
    reason: Annotated[str, Field(max_length=512)]
    """The alarm that fired."""
    time: Moment
    """When it was undone."""


class RevisionStatus(Model):
    """One revision of the configuration: what changed, and how it went."""

    revision: Annotated[str, Field(max_length=16)]
    """Its short name."""
    generation: int
    """The generation that made it."""
    time: Moment
    """When it was written."""
    outcome: Literal["Baking", "Stable", "RolledBack", "Replaced", "Applied"]
    """Baking; Stable; RolledBack: an alarm undid it; Replaced: another came before it was stable; Applied: without rollout."""
    rolled_back_to: Annotated[str | None, Field(max_length=16)] = None
    """The stable revision whose values it restores, if it is a rollback: not what spec of that generation declares."""
    changed: Annotated[list[Annotated[str, Field(max_length=1032)]], Field(max_length=20)] = Field(default_factory=list)
    """Parameters that changed with it, each with its version: api/timeout@3; at most 20."""


class Counts(Model):
    """How many parameters are compared, and how many of them AWS has so: with spec, or after a rollback with a revision."""

    declared: int
    """Parameters in spec; after a rollback, in the revision that was restored."""
    in_sync: int
    """Those that AWS has like that."""
    compared_with: Annotated[str | None, Field(max_length=16)] = None
    """The revision that AWS is compared with after a rollback; absent: spec."""
    summary: Annotated[str, Field(max_length=32)]
    """The same for a table, for example 5/5, or after a rollback 5/5 of 4c1f19fd."""


class DynamicConfigStatus(Model):
    """What the operator last saw and did."""

    observed_generation: int | None = None
    """The generation of spec that this status speaks of; -1 until the operator has looked."""
    applied_generation: int | None = None
    """The last generation that AWS was made equal to."""
    tried_generation: int | None = None
    """The last generation of which everything was carried out, except for what `refused` lists."""
    revision: Annotated[str | None, Field(max_length=16)] = None
    """A short name of the versions that AWS holds; it changes when any value is written."""
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = Field(default_factory=list)
    """Ready always; Reconciling, Stalled, Drifted and Baking only while they are true."""
    parameters: Annotated[list[ParameterStatus], Field(max_length=2 * MAX_PARAMETERS)] = Field(default_factory=list)
    """The parameters that this object owns in SSM."""
    drift: Annotated[list[Drift], Field(max_length=MAX_DRIFT)] = Field(default_factory=list)
    """What AWS has otherwise than declared, at most 100 fields."""
    refused: Annotated[list[RefusedStatus], Field(max_length=MAX_REFUSED)] = Field(default_factory=list)
    """What is not as declared, and why, at most 50 resources; everything that does not depend on them is carried out."""
    expired: Annotated[list[Annotated[str, Field(max_length=1011)]], Field(max_length=MAX_EXPIRED)] = Field(
        default_factory=list
    )
    """Full names of parameters whose Expiration has passed, at most 100: that they are gone is as declared."""
    resources: Annotated[list[ResourceStatus], Field(max_length=64)] = Field(default_factory=list)
    """AWS resources of this object besides its parameters."""
    function: Annotated[str | None, Field(max_length=64)] = None
    """Name of the function that reads the configuration."""
    served_revision: Annotated[str | None, Field(max_length=16)] = None
    """With cache.onChange Refresh: the revision that every execution environment of the function serves."""
    stable_generation: int | None = None
    """The last generation that has proved itself."""
    stable_revision: Annotated[str | None, Field(max_length=16)] = None
    """The revision to go back to when a change fails."""
    bake: Bake | None = None
    """The change that bakes, while one does."""
    rollback: Rollback | None = None
    """The last generation that was undone, until another one is applied."""
    history: Annotated[list[RevisionStatus], Field(max_length=10)] = Field(default_factory=list)
    """The last ten revisions, the newest first."""
    created_since_stable: Annotated[list[Annotated[str, Field(max_length=1011)]], Field(max_length=MAX_PARAMETERS)] = (
        Field(default_factory=list)
    )
    """Parameters that were created after the last stable revision: a rollback deletes these and no others."""
    operator_version: Annotated[str | None, Field(max_length=64)] = None
    """Version of the operator that wrote this."""
    counts: Counts | None = None
    """How much is as declared."""
    region: Annotated[str | None, Field(max_length=32)] = None
    """The AWS region in use."""
    last_observed_time: Moment | None = None
    """When AWS was last looked at: this report is true as of then."""
    last_handled_reconcile_at: Annotated[str | None, Field(max_length=REQUEST_LENGTH)] = None
    """The last value of the annotation dynconfig.dev/reconcile-requested-at that was handled."""
    failing_since: Moment | None = None
    """Since when deletion has been failing without a success, or a Secret, ConfigMap or key has been missing."""

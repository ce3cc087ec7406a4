"""The `status` of a DynamicConfig, and the closed list of reasons in it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dynconfig.api.model import Model
from dynconfig.api.parameter import MAX_PARAMETERS

MAX_DRIFT = 100
MAX_FURTHER_DRIFT = 10 * MAX_PARAMETERS
MESSAGE_LENGTH = 4096
MAX_EXPIRED = 100
MAX_REFUSED = 50
REFUSED_MESSAGE_LENGTH = 512
AUTHOR_LENGTH = 512
DIGEST_LENGTH = 16
REQUEST_LENGTH = 256


def _moment(text: str) -> str:
    """Return the text. Raises ValueError if it is not a timestamp in the supported range."""
    try:
        datetime.fromisoformat(text).timestamp()
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return text


Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
"""A timestamp as Kubernetes writes it."""


RENEWAL_SECONDS = 3600.0
"""While nothing else changes, status is written this long after its lastObservedTime: writing it at each resync would be most
of the writes of a cluster with many objects."""


class ConditionType(StrEnum):
    """The condition types. All but Ready are present only while they are true.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
    """

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DRIFTED = "Drifted"
    BAKING = "Baking"


class Reason(StrEnum):
    """All reasons of conditions and Events, except the names of the errors in `engine.errors`."""

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
    ACCOUNT_VERIFIED = "AccountVerified"
    TARGET_IN_USE = "TargetInUse"


class Condition(Model):
    """One condition, as metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    """Ready, Reconciling, Stalled, Drifted or Baking."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=128)]
    """Machine-readable reason in CamelCase."""
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)]
    """What happened and what to do."""
    last_transition_time: Moment
    """When status last changed."""
    observed_generation: int | None = None
    """Generation of spec that this condition refers to."""


class ParameterStatus(Model):
    """Observed state of one parameter, without its value."""

    name: Annotated[str, Field(max_length=1011)]
    """Full name in SSM."""
    type: Annotated[str, Field(max_length=32)]
    """SSM type."""
    version: int
    """SSM version."""
    last_modified: Moment | None = None
    """When the value was last written."""
    secret: bool | None = None
    """True if the value comes from a Secret, but is not a SecureString. It is masked in all output."""
    deletion_policy: Annotated[str | None, Field(max_length=16)] = None
    """The parameter's own deletionPolicy, which applies once it is removed from spec."""


class Drift(Model):
    """One drifted field. Values of a SecureString are masked."""

    resource: Annotated[str, Field(max_length=1100)]
    """Kind and name, for example Parameter /myapp/config/api/timeout."""
    field: Annotated[str, Field(max_length=64)]
    """Field that differs. `exists` if the whole resource is missing or is not declared."""
    declared: Annotated[str, Field(max_length=256)]
    """Declared value. If it is long, the part around the first difference."""
    observed: Annotated[str, Field(max_length=256)]
    """Observed value. If it is long, the part around the first difference."""
    digest: Annotated[str | None, Field(max_length=64)] = None
    """Digest of both full values, if one of them is shortened."""
    since: Moment
    """When the drift was first detected."""
    last_modified_by: Annotated[str | None, Field(max_length=AUTHOR_LENGTH)] = None
    """IAM principal that changed it, if AWS reports it."""


class AttachedVariable(Model):
    """One environment variable that was added to a function."""

    name: Annotated[str, Field(max_length=128)]
    """Name of the variable."""
    digest: Annotated[str, Field(max_length=64)]
    """Digest of its value."""


class AttachedStatus(Model):
    """What mode Attach added to a function. If its tags are lost, they are restored from this record."""

    layer: Annotated[str | None, Field(max_length=256)] = None
    """Layer version that was added. Absent if the function has the extension by itself."""
    role: Annotated[str, Field(max_length=64)]
    """Role that has the inline policy."""
    variables: Annotated[list[AttachedVariable], Field(max_length=32)] = Field(default_factory=list)
    """Environment variables that were added."""


class ResourceStatus(Model):
    """One AWS resource besides the parameters."""

    kind: Annotated[str, Field(max_length=64)]
    """Kind of resource, for example Function."""
    name: Annotated[str, Field(max_length=512)]
    """Name in AWS."""
    arn: Annotated[str, Field(max_length=1200)]
    """ARN of the resource."""
    url: Annotated[str | None, Field(max_length=512)] = None
    """URL of the resource, if it has one."""
    layer: Annotated[str | None, Field(max_length=256)] = None
    """Layer version of the extension on the function: AWS's latest at the time it was added, or that of the built-in table."""
    attached: AttachedStatus | None = None
    """With mode Attach: what was added to the function."""


class RefusedStatus(Model):
    """One resource that is not in sync, because AWS rejected it or it has another owner."""

    resource: Annotated[str, Field(max_length=1100)]
    """Kind and name, for example Parameter /myapp/config/api/timeout. Only the kind if none of that kind can be read."""
    reason: Annotated[str, Field(max_length=128)]
    """Machine-readable reason in CamelCase. Waiting: it depends on another resource in this list."""
    message: Annotated[str, Field(max_length=REFUSED_MESSAGE_LENGTH)]
    """What happened and what to do."""


class Bake(Model):
    """A change during its bake time."""

    generation: int
    """Generation that made the change."""
    since: Moment
    """When the bake time began."""
    until: Moment
    """When the bake time ends."""


class Rollback(Model):
    """A generation that was rolled back."""

    generation: int
    """Generation that failed. It is not retried until spec or a Secret changes, or a reconcile is requested."""
    to: Annotated[str, Field(max_length=16)]
    """Revision that was restored."""
    reason: Annotated[str, Field(max_length=512)]
    """Alarm that fired."""
    time: Moment
    """When it was rolled back."""


class RevisionStatus(Model):
    """One revision of the configuration: what changed, and its outcome."""

    revision: Annotated[str, Field(max_length=16)]
    """Short name of the revision."""
    generation: int
    """Generation that created it."""
    time: Moment
    """When it was applied."""
    outcome: Literal["Baking", "Stable", "RolledBack", "Replaced", "Applied"]
    """Baking; Stable; RolledBack after an alarm; Replaced by another revision before it was stable; Applied without rollout."""
    rolled_back_to: Annotated[str | None, Field(max_length=16)] = None
    """If it is a rollback, the stable revision whose values it restores; these are not the values in spec of that generation."""
    changed: Annotated[list[Annotated[str, Field(max_length=1032)]], Field(max_length=20)] = Field(default_factory=list)
    """Changed parameters with their versions, for example api/timeout@3, and removed ones: api/timeout deleted. At most 20."""


class Counts(Model):
    """Number of parameters in sync with spec or, after a rollback, with the restored revision."""

    declared: int
    """Number of parameters in spec or, after a rollback, in the restored revision."""
    in_sync: int
    """Number of those that are in sync in AWS."""
    compared_with: Annotated[str | None, Field(max_length=16)] = None
    """After a rollback, the revision that AWS is compared with. If absent, AWS is compared with spec."""
    summary: Annotated[str, Field(max_length=32)]
    """Summary for kubectl get, for example 5/5, or after a rollback 5/5 of 4c1f19fd."""


class DynamicConfigStatus(Model):
    """The observed state of AWS, and what the operator did last."""

    observed_generation: int | None = None
    """Generation of spec that this status refers to. -1 until the first reconcile."""
    applied_generation: int | None = None
    """Last generation that was applied to AWS."""
    status_lost: bool | None = None
    """True if an earlier status was lost, for example because the object was restored from a backup, or if there is no room for
    the drift it reported: resources that this status does not list may have been changed outside the operator. It is removed
    after the first complete reconcile."""
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
    """Ready is always present; Reconciling, Stalled, Drifted and Baking only while they are true."""
    parameters: Annotated[list[ParameterStatus], Field(max_length=2 * MAX_PARAMETERS)] = Field(default_factory=list)
    """Parameters that this object owns in SSM."""
    drift: Annotated[list[Drift], Field(max_length=MAX_DRIFT)] = Field(default_factory=list)
    """Fields that have drifted, at most 100."""
    further_drift: Annotated[list[Annotated[str, Field(max_length=24)]], Field(max_length=MAX_FURTHER_DRIFT)] = Field(
        default_factory=list
    )
    """Digests of the drifted fields that are not listed in drift, so that edits of other fields do not overwrite them."""
    refused: Annotated[list[RefusedStatus], Field(max_length=MAX_REFUSED)] = Field(default_factory=list)
    """Resources that could not be applied, and why, at most 50. All resources that do not depend on them are applied."""
    expired: Annotated[list[Annotated[str, Field(max_length=1011)]], Field(max_length=MAX_EXPIRED)] = Field(
        default_factory=list
    )
    """Full names of parameters that have expired, at most 100. They count as in sync and are not created again."""
    resources: Annotated[list[ResourceStatus], Field(max_length=64)] = Field(default_factory=list)
    """AWS resources of this object, except its parameters."""
    function: Annotated[str | None, Field(max_length=64)] = None
    """Name of the Lambda function that reads the configuration."""
    served_revision: Annotated[str | None, Field(max_length=16)] = None
    """With cache.onChange: Refresh, the revision that all execution environments of the function serve."""
    stable_generation: int | None = None
    """Last stable generation."""
    stable_revision: Annotated[str | None, Field(max_length=16)] = None
    """Revision to restore on rollback."""
    bake: Bake | None = None
    """Change in its bake time, if any."""
    rollback: Rollback | None = None
    """Last generation that was rolled back, until another one is applied."""
    history: Annotated[list[RevisionStatus], Field(max_length=10)] = Field(default_factory=list)
    """Last ten revisions, newest first."""
    created_since_stable: Annotated[list[Annotated[str, Field(max_length=1011)]], Field(max_length=MAX_PARAMETERS)] = (
        Field(default_factory=list)
    )
    """Parameters that were created after the last stable revision. A rollback deletes only these."""
    operator_version: Annotated[str | None, Field(max_length=64)] = None
    """Version of the operator that wrote this status."""
    counts: Counts | None = None
    """Number of parameters in sync."""
    region: Annotated[str | None, Field(max_length=32)] = None
    """AWS region in use."""
    target: Annotated[str | None, Field(max_length=63)] = None
    """AWSTarget in use; absent if it is the operator's own identity. Recorded before the first write, as region and account: the
    object stays there, whatever the default target is later."""
    account: Annotated[str | None, Field(max_length=12)] = None
    """AWS account of the target. If a target of the same name has another one, nothing is written or deleted there."""
    target_digest: Annotated[str | None, Field(max_length=DIGEST_LENGTH)] = None
    """Digest of what the AWSTarget declared at the last reconcile, except for its role and quota."""
    last_observed_time: Moment | None = None
    """When AWS was last observed. Renewed every hour while nothing changes."""
    last_handled_reconcile_at: Annotated[str | None, Field(max_length=REQUEST_LENGTH)] = None
    """Last handled value of the annotation dynconfig.dev/reconcile-requested-at."""
    failing_since: Moment | None = None
    """Since when every deletion attempt has failed, or a Secret, ConfigMap or key has been missing."""

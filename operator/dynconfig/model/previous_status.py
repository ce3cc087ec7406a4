"""The status that the object had before this reconcile, parsed once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dynconfig.api import names
from dynconfig.api.parameter import DeletionPolicy
from dynconfig.api.status import MAX_DRIFT, MAX_EXPIRED, MAX_REFUSED, MESSAGE_LENGTH
from dynconfig.model import drift_digest
from dynconfig.model.attached import Attached
from dynconfig.model.naming import ROLE_PATH, roles_beside
from dynconfig.model.resource import Resource
from dynconfig.model.stored import RecordedPlace, policy_of, recorded_place, status_of
from dynconfig.model.timestamps import moment
from dynconfig.model.window import Brief

NOTHING: Mapping[str, Any] = {}


class ReportedCondition(NamedTuple):
    """One condition."""

    status: str
    reason: str = ""
    message: str = ""
    since: str = ""
    """When `status` last changed; empty if that is unknown."""
    generation: int | None = None
    """The generation it refers to."""


class ReportedParameter(NamedTuple):
    """One parameter of the object."""

    name: str
    version: int
    type: str = ""
    last_modified: str | None = None
    is_secret: bool = False
    """It is plain text whose value came from a Secret, now or at a version that may be restored."""
    deletion_policy: str | None = None


class ReportedResource(NamedTuple):
    """One resource other than a parameter."""

    kind: str
    name: str
    arn: str = ""
    url: str | None = None
    layer: str | None = None
    attached: Attached | None = None
    """What mode Attach added to the function; None if an earlier version did not record it."""

    @property
    def is_earlier_role(self) -> bool:
        """Whether it is a role outside the operator's IAM path, created by an earlier version; it is replaced."""
        return self.kind == "Role" and ":role/" in self.arn and f":role{ROLE_PATH}" not in self.arn


@dataclass(frozen=True, slots=True)
class PreviousStatus:
    """What the last status reported. Every field may be missing, as in a status of an older version."""

    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The status as stored: what a new status keeps is copied from here."""
    observed_generation: int | None = None
    generation: int | None = None
    """The generation that was applied."""
    tried_generation: int | None = None
    """The generation that was applied except for refused resources."""
    conditions: Mapping[str, ReportedCondition] = field(default_factory=dict)
    """Conditions by type."""
    parameters: tuple[ReportedParameter, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    """Versions of the parameters by full name; 0 if only the name is known."""
    drift: Mapping[tuple[str, str], Brief] = field(default_factory=dict)
    """Reported drift by title and field: declared and observed text. The versions of these were not written by us."""
    drift_since: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """When each of them was detected."""
    drift_authors: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Who changed each of them, as far as AWS reported it."""
    further_drift: frozenset[str] = frozenset()
    """Digests of reported drift that is not in `drift`."""
    further_drifted: frozenset[str] = frozenset()
    """Digests of the titles of these."""
    is_lost: bool = False
    """An earlier status was lost: a resource that this one does not list may have been changed outside the operator."""
    kept_drift: frozenset[str] = frozenset()
    """Names of parameters without a stable version whose drift was reported before a rollback: it stays reported."""
    resources: tuple[ReportedResource, ...] = ()
    operator_version: str | None = None
    """The operator version that applied it: another version may declare other function code or layers."""
    region: str | None = None
    target: str | None = None
    target_digest: str | None = None
    rolled_back_generation: int | None = None
    """The generation that was rolled back."""
    rollback_reason: str = ""
    baking_until: float | None = None
    """When the bake time of the current change ends, in seconds since the epoch."""
    baking_generation: int | None = None
    stable_generation: int | None = None
    stable_revision: str | None = None
    created: frozenset[str] = frozenset()
    """Names of the parameters created since the last stable revision."""
    history: tuple[Mapping[str, Any], ...] = ()
    """The revisions, newest first, as stored: a new status copies them."""
    refused: frozenset[str] = frozenset()
    """Titles of refused or blocked resources; a kind without a name means all of its resources."""
    expired: frozenset[str] = frozenset()
    """Names of written parameters that SSM deleted at their expiration."""
    last_observed: str | None = None
    failing_since: str | None = None

    @classmethod
    def of_object(cls, document: Mapping[str, Any]) -> "PreviousStatus":
        """Return the status of a stored object, whatever its shape."""
        return cls.of(status_of(document))

    @classmethod
    def of(cls, status: Mapping[str, Any] | None) -> "PreviousStatus":
        """Return a valid status, of which any member may be missing."""
        status = NOTHING if status is None else status
        parameters = tuple(_parameter(item) for item in status.get("parameters") or ())
        bake, rollback, drift = status.get("bake") or {}, status.get("rollback") or {}, status.get("drift") or ()
        further = status.get("furtherDrift") or ()
        return cls(
            document=status,
            observed_generation=status.get("observedGeneration"),
            generation=status.get("appliedGeneration"),
            tried_generation=status.get("triedGeneration"),
            conditions={item["type"]: _condition(item) for item in status.get("conditions") or ()},
            parameters=parameters,
            versions={item.name: item.version for item in parameters},
            drift={(item["resource"], item["field"]): _brief(item) for item in drift},
            drift_since={(item["resource"], item["field"]): item["since"] for item in drift if "since" in item},
            drift_authors={
                (item["resource"], item["field"]): item["lastModifiedBy"]
                for item in drift
                if item.get("lastModifiedBy")
            },
            further_drift=frozenset(further),
            further_drifted=frozenset(map(drift_digest.title_in, further)),
            is_lost=status.get("statusLost") is True,
            resources=tuple(_resource(item) for item in status.get("resources") or ()),
            operator_version=status.get("operatorVersion"),
            region=status.get("region"),
            target=status.get("target"),
            target_digest=status.get("targetDigest"),
            rolled_back_generation=rollback.get("generation"),
            rollback_reason=rollback.get("reason", ""),
            baking_until=moment(bake["until"]) if "until" in bake else None,
            baking_generation=bake.get("generation"),
            stable_generation=status.get("stableGeneration"),
            stable_revision=status.get("stableRevision"),
            created=frozenset(status.get("createdSinceStable") or ()),
            history=tuple(status.get("history") or ()),
            refused=frozenset(item["resource"] for item in status.get("refused") or ()),
            expired=frozenset(status.get("expired") or ()),
            last_observed=status.get("lastObservedTime"),
            failing_since=status.get("failingSince"),
        )

    @property
    def or_none(self) -> "PreviousStatus | None":
        """Return it if the operator has written it; None also if it was lost and not everything was tried since."""
        was_tried = self.generation is not None or self.tried_generation is not None
        is_unknown = self.observed_generation in (None, names.UNSEEN) or (self.is_lost and not was_tried)
        return None if is_unknown else self

    @property
    def is_drift_cut(self) -> bool:
        """Whether the drift list was full, so that more may have drifted."""
        return len(self.drift) >= MAX_DRIFT or bool(self.further_drift)

    def has_drifted(self, title: str) -> bool:
        """Whether a resource was reported as drifted, or may have been by a version that recorded no more than the list."""
        is_unknown = self.is_drift_cut and not self.further_drift
        return is_unknown or title in self.drifted or drift_digest.of_title(title) in self.further_drifted

    def reported_drift(self, title: str, field: str, found: Brief) -> bool:
        """Whether a difference was reported as drift, with these texts."""
        is_listed = self.drift.get((title, field)) == found
        return is_listed or drift_digest.of_field(title, field, found) in self.further_drift

    @property
    def drifted(self) -> frozenset[str]:
        """Return the titles of resources reported as drifted."""
        return frozenset(title for title, _field in self.drift)

    @property
    def is_baking(self) -> bool:
        """Whether a change was baking."""
        return bool(self.document.get("bake"))

    @property
    def was_rolled_back(self) -> bool:
        """Whether a generation was rolled back."""
        return bool(self.document.get("rollback"))

    @property
    def rolls_out(self) -> bool:
        """Whether versions may have labels because a rollout was declared."""
        return bool(self.stable_generation or self.is_baking or self.was_rolled_back)

    @property
    def earlier_roles(self) -> tuple[str, ...]:
        """Return the names of roles created by earlier versions."""
        return tuple(item.name for item in self.resources if item.is_earlier_role)

    @property
    def secrets(self) -> frozenset[str]:
        """Return the names of plain-text parameters whose value came from a Secret."""
        return frozenset(item.name for item in self.parameters if item.is_secret)

    @property
    def deletion_policies(self) -> Mapping[str, DeletionPolicy]:
        """Return the deletion policies of single parameters, by full name."""
        return {item.name: policy_of(item.deletion_policy) for item in self.parameters if item.deletion_policy}

    @property
    def titles(self) -> tuple[tuple[str, str], ...]:
        """Return kind and name of the resources other than parameters."""
        return tuple((item.kind, item.name) for item in self.resources)

    @property
    def attached(self) -> Mapping[str, Attached]:
        """Return what was added to each attached function, by its name."""
        return {item.name: item.attached for item in self.resources if item.attached is not None}

    @property
    def revisions(self) -> tuple[tuple[float, str], ...]:
        """Return time (seconds since the epoch) and name of each revision, oldest first."""
        return tuple((moment(item["time"]), item["revision"]) for item in reversed(self.history))

    @property
    def place(self) -> RecordedPlace | None:
        """Return where the object writes; None if nothing was written."""
        return recorded_place(self.document)

    @property
    def has_resources(self) -> bool:
        """Whether it reports resources."""
        return bool(self.parameters or self.resources)

    @property
    def had_parameters(self) -> bool:
        """Whether it owned or declared parameters when AWS was last observed, or that is unknown."""
        return bool(self.versions) or (self.document.get("counts") or {}).get("declared", 1) > 0

    def reason(self, condition: str) -> str:
        """Return the reason of a condition; empty if it is not set."""
        found = self.conditions.get(condition)
        return found.reason if found else ""

    def reports(self, message: str) -> bool:
        """Whether a condition has this message, as far as it fits."""
        return any(message[:MESSAGE_LENGTH] in item.message for item in self.conditions.values())

    def was_written(self, name: str) -> bool:
        """Whether this parameter of the object was ever written."""
        # A full list may be truncated.
        return name in self.versions or name in self.expired or len(self.expired) >= MAX_EXPIRED

    def was_tried(self, generation: int, resource: Resource) -> bool:
        """Whether this resource was applied as that generation declares it."""
        if self.generation == generation:
            return True
        # A full list may be truncated.
        is_full = len(self.refused) >= MAX_REFUSED
        is_refused = is_full or bool({resource.title, resource.kind} & self.refused)
        return self.tried_generation == generation and not is_refused

    def replaces(self, role: str) -> bool:
        """Whether another role replaces, or has replaced, the role of this name."""
        return role in self.earlier_roles or any(("Role", name) in self.titles for name in roles_beside(role))


def _parameter(item: Mapping[str, Any]) -> ReportedParameter:
    return ReportedParameter(
        item["name"],
        item["version"],
        item.get("type", ""),
        item.get("lastModified"),
        bool(item.get("secret")),
        item.get("deletionPolicy"),
    )


def _resource(item: Mapping[str, Any]) -> ReportedResource:
    attached = _attached(item["attached"]) if item.get("attached") else None
    return ReportedResource(
        item["kind"], item["name"], item.get("arn") or "", item.get("url"), item.get("layer"), attached
    )


def _attached(item: Mapping[str, Any]) -> Attached:
    variables = {variable["name"]: variable.get("digest", "") for variable in item.get("variables") or ()}
    return Attached(item.get("layer") or "", item.get("role") or "", variables)


def _condition(item: Mapping[str, Any]) -> ReportedCondition:
    return ReportedCondition(
        item.get("status", ""),
        item.get("reason", ""),
        str(item.get("message", "")),
        item.get("lastTransitionTime") or "",
        item.get("observedGeneration"),
    )


def _brief(item: Mapping[str, Any]) -> Brief:
    return Brief(item.get("declared", ""), item.get("observed", ""), item.get("digest") or "")

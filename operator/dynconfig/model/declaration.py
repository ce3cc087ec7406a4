"""One object with resolved values, as the engine and the kinds use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynconfig.api.alarms import AlarmsSpec
from dynconfig.api.function import FunctionSpec
from dynconfig.api.parameter import DeletionPolicy, ParameterSpec
from dynconfig.api.spec import AdoptionPolicy, CacheSpec, DriftPolicy
from dynconfig.model.naming import Names
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Owner, Resource, Versioned, revision
from dynconfig.model.secret import Secret
from dynconfig.model.target import Target


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rollout settings of a declaration."""

    bake_seconds: int
    rolls_back: bool
    is_forced: bool = False
    """This generation is forced by annotation, despite alarms."""


@dataclass(frozen=True, slots=True)
class Place:
    """The location of resources in AWS."""

    region: str
    target: Target | None = None
    """The account and how to get credentials there; None for the operator's own."""

    @property
    def default_key(self) -> str:
        """Return the KMS key of each SecureString that names none; empty for AWS's own."""
        return self.target.kms_key_id if self.target else ""

    def __str__(self) -> str:
        return f"{self.region} ({self.target.title})" if self.target else self.region

    @property
    def key(self) -> str:
        """Return the identity of the place: resources of the same name in two places with different keys are different ones."""
        return in_target(self.target.name) if self.target else self.region

    @property
    def location(self) -> "Place":
        """Return the place without what a target may change about it, such as its role."""
        return Place(self.region, self.target.location) if self.target else self

    @property
    def title(self) -> str:
        """Return the location in messages, and as the key of events: a target created again may be another account."""
        target = self.target
        return f"{self.key} ({target.account}/{self.region})" if target else self.region


_TARGET = "target "


def in_target(name: str) -> str:
    """Return the key of the place of a target, which is no region."""
    return f"{_TARGET}{name}"


def target_in(place: str) -> str:
    """Return the name of the target whose place has this key; empty for a region."""
    return place.removeprefix(_TARGET) if place.startswith(_TARGET) else ""


@dataclass(frozen=True, slots=True)
class Source:
    """A key of a Secret or ConfigMap that supplies a value."""

    kind: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"key {self.key} of {self.kind} {self.name}"


ReadSource = Callable[[Source], str | None]
"""Returns the text of a source, or None if the key is missing. Raises NoSource if the object is missing."""


@dataclass(frozen=True, slots=True)
class Successor:
    """Another object that adopts a parameter."""

    owner: Owner
    """Without a uid if the object only exists in a file."""
    may_own: bool = True
    """Whether its namespace may use the path, as far as is known; if not, the parameter is released without an owner."""
    has_finalizer: bool = True
    """Whether it has the finalizer and a recorded place, so that it cannot disappear unnoticed. A new object gets both within a
    moment."""


SuccessorOf = Callable[[str], Successor | None]
"""Returns the object of this cluster that adopts a parameter this one releases: it declares the full name and may adopt it.
None if there is none."""


GivesUp = Callable[[str, str], bool]
"""Returns whether the owner of a parameter (NAMESPACE/NAME) is about to release this full name."""


def keeps_all(_owner: str, _name: str) -> bool:
    """No object releases anything."""
    return False


def no_successor(_name: str) -> Successor | None:
    """There are no other objects."""
    return None


@dataclass(frozen=True, slots=True)
class Restored:
    """What a rollback restores of a stable version beside its value and type."""

    is_secret: bool
    """Its text came from a Secret, or that is not known."""
    kms_key: str
    """The KMS key of a SecureString; empty if it is unknown or the version has another type."""


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """One parameter with its full name and its value."""

    name: str
    value: str | Secret
    spec: ParameterSpec
    tags: tuple[tuple[str, str], ...]
    awaits_deletion: bool = False
    """It is read until its deletion and no longer written."""
    is_value_only: bool = False
    """Only its value and type are declared; all other fields stay as they are in AWS."""
    restored: Restored | None = None
    """Set if its value is that of a stable version."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One object with resolved values: what should be in AWS, where, and how to treat differences."""

    owner: Owner
    place: Place
    names: Names
    path: str
    generation: int
    parameters: tuple[DeclaredParameter, ...]
    tags: tuple[tuple[str, str], ...] = ()
    cache: CacheSpec = field(default_factory=CacheSpec)
    function: FunctionSpec | None = None
    alarms: AlarmsSpec | None = None
    dashboard: bool = False
    revisions: tuple[tuple[float, str], ...] = ()
    """Time (seconds since the epoch) and name of each revision, oldest first; dashboards mark them."""
    suspended: bool = False
    deleting: bool = False
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    deletion_policies: Mapping[str, DeletionPolicy] = field(default_factory=dict)
    """Overrides of `deletion_policy` by full parameter name, also for parameters removed from spec."""
    successor_of: SuccessorOf = field(default=no_successor, repr=False, compare=False)
    gives_up: GivesUp = field(default=keeps_all, repr=False, compare=False)
    """Used by plans of several objects: what another object is about to release."""
    awaits: GivesUp = field(default=keeps_all, repr=False, compare=False)
    """Used by the operator: what another object no longer declares but has not released yet."""
    deletes_from: float = 0.0
    """When parameters removed from spec may be deleted, in seconds since the epoch: until then another object may adopt them."""
    is_ahead_of_watch: bool = False
    """It was read at a newer generation than the watch has delivered, so other objects may be unknown, too."""
    adoption_policy: AdoptionPolicy = AdoptionPolicy.NEVER
    resync_seconds: int = 600
    applied: PreviousStatus | None = None
    """What the last status reported; None if there is no status."""
    approved_generation: int | None = None
    never_written: bool = False
    """Nothing was ever written to AWS for it."""
    status_lost: bool = False
    """There is no status of what was created before."""
    rollout: Rollout | None = None
    rolled_back: bool = False
    """This generation failed and is replaced by the stable revision."""
    rolled_back_created: frozenset[str] = frozenset()
    """Names of parameters the failed generation created: a rollback deletes nothing else."""
    is_last_change: bool = False
    """Spec is invalid: this declares the baking change, and only its rollback is written."""
    requested: bool = False
    operator_version: str | None = None
    now: float = 0.0
    """The time of the reconcile in whole seconds since the epoch."""
    changed: Mapping[str, str] = field(default_factory=dict)
    """Names of resources that events reported and that were not read since, and who changed them if known."""
    observes_all: bool = False
    """Everything is observed although events reported names: these could not be read, or others may have been missed."""
    observed_so_far: tuple[Resource, ...] = ()
    """Owned resources of the kinds before the current one."""
    unread: Mapping[str, int | None] = field(default_factory=dict)
    """Resources that could not be read this time, by title, with the version last reported."""

    @property
    def is_renaming(self) -> bool:
        """Whether status reports resources that an earlier version named in another way; they are replaced."""
        applied = self.applied
        is_former = self.names.is_former
        return applied is not None and (
            bool(applied.earlier_roles) or any(is_former(*title) for title in applied.titles)
        )

    @property
    def keeps_marks(self) -> bool:
        """Whether a plaintext parameter stays marked as holding a Secret's text, because such a version may be restored.

        Its value is plain for good once the current generation is stable, or no version has a label any more.
        """
        applied = self.applied
        if self.rollout is None:
            return applied is not None and applied.rolls_out
        is_stable = applied is not None and not applied.is_baking and not self.rolled_back and not self.is_last_change
        return not (is_stable and applied and applied.generation == applied.stable_generation == self.generation)

    @property
    def revision(self) -> str:
        """Return the revision of the observed resources, and of unreadable ones as last reported."""
        return revision(self.observed_so_far, self.unread)

    @property
    def marks(self) -> tuple[tuple[float, str], ...]:
        """Return the revisions including the current one; empty if earlier ones are unknown."""
        if self.status_lost and not self.never_written:
            return ()
        current = self.revision
        is_written = any(isinstance(resource, Versioned) for resource in self.observed_so_far)
        is_listed = bool(self.revisions) and self.revisions[-1][1] == current
        return self.revisions if is_listed or not is_written else (*self.revisions, (self.now, current))

    def retains(self, resource: Resource) -> bool:
        """Whether a resource is released instead of deleted when it is no longer declared."""
        if not isinstance(resource, Versioned):
            return self.deleting and self.deletion_policy is DeletionPolicy.RETAIN
        # What a failed generation created needs no retention.
        policy = self.deletion_policies.get(resource.name, self.deletion_policy)
        return policy is DeletionPolicy.RETAIN and not self.rolled_back

    @property
    def known(self) -> tuple[str, ...]:
        """Return the names that may exist in AWS: declared and reported ones."""
        reported = self.applied.versions if self.applied else {}
        return tuple({**{parameter.name: None for parameter in self.parameters}, **dict.fromkeys(reported)})

    @property
    def expired(self) -> tuple[str, ...]:
        """Return names of parameters whose Expiration has passed; their absence is in sync."""
        new = set(self.expired_unwritten)
        return tuple(name for name in self._past if name not in new)

    @property
    def expired_unwritten(self) -> tuple[str, ...]:
        """Return names of parameters whose Expiration has passed and that were never written, as far as is known."""
        if self.applied is None:
            return self._past if self.never_written else ()
        written = self.applied.was_written
        return tuple(name for name in self._past if not written(name))

    @property
    def _past(self) -> tuple[str, ...]:
        pairs = ((parameter.name, parameter.spec.expires) for parameter in self.parameters)
        return tuple(name for name, expires in pairs if expires is not None and expires <= self.now)

    @property
    def is_partial(self) -> bool:
        """Whether observing the changed resources is enough: all others were observed at the last resync."""
        is_applied = self.applied is not None and self.applied.generation == self.generation
        is_whole = self.observes_all or self.requested or self.deleting or self.never_written
        return bool(self.changed) and is_applied and not is_whole

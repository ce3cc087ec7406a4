"""One object, resolved: plain values that the engine and the kinds work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynconfig.api.alarms import AlarmsSpec
from dynconfig.api.function import FunctionSpec
from dynconfig.api.parameter import DeletionPolicy, ParameterSpec
from dynconfig.api.spec import AdoptionPolicy, CacheSpec, DriftPolicy
from dynconfig.api.status import MAX_EXPIRED, MAX_REFUSED
from dynconfig.engine.naming import Names, role_beside
from dynconfig.engine.resource import Owner, Resource, Versioned
from dynconfig.engine.revision import revision
from dynconfig.engine.rollout import Rollout
from dynconfig.engine.secret import Secret
from dynconfig.engine.window import Brief


@dataclass(frozen=True, slots=True)
class Place:
    """Where the resources live."""

    region: str


@dataclass(frozen=True, slots=True)
class Source:
    """A key of a Secret or ConfigMap that a value comes from."""

    kind: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"key {self.key} of {self.kind} {self.name}"


ReadSource = Callable[[Source], str | None]
"""Answers the text of a source, or None where the key is missing. Raises NoSource where the whole object is."""


@dataclass(frozen=True, slots=True)
class Successor:
    """Another object, which takes over a parameter."""

    owner: Owner
    """Without a uid where the object stands in a file only."""
    may_own: bool = True
    """Whether its namespace may use the path, as far as is known; else the parameter is left for it without an owner."""
    is_held: bool = True
    """Its finalizer keeps it until what it owns is seen; an object that is new gets it within a moment."""


SuccessorOf = Callable[[str], Successor | None]
"""Answers which other object of this cluster takes over a parameter that this one gives up: it declares the full name and may
adopt it. None if there is none."""


GivesUp = Callable[[str, str], bool]
"""Answers whether the object that owns a parameter, as NAMESPACE/NAME, is about to give up this full name."""


def keeps_all(_owner: str, _name: str) -> bool:
    """No object gives anything up."""
    return False


def no_successor(_name: str) -> Successor | None:
    """There are no other objects."""
    return None


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """One parameter with its full name and its value."""

    name: str
    value: str | Secret
    spec: ParameterSpec
    tags: tuple[tuple[str, str], ...]
    is_leaving: bool = False
    """It is read until it is deleted, and not written any more."""
    is_value_only: bool = False
    """Nothing but its value and type is declared: all else stays as AWS has it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What the last report said was applied; None in its place means that there was no report."""

    generation: int | None
    versions: Mapping[str, int]
    drift: Mapping[tuple[str, str], Brief] = field(default_factory=dict)
    """What was reported as drifted, by title and field: as declared, and as observed. The versions of these are not ours."""
    is_drift_cut: bool = False
    """More had drifted than the report could tell."""
    resources: tuple[tuple[str, str], ...] = ()
    """Kind and name of the resources besides parameters."""
    operator_version: str | None = None
    """The operator that applied it: another one may declare a function's code or layer otherwise."""
    undone_generation: int | None = None
    """The generation that was undone."""
    undone_because: str = ""
    baking_until: float | None = None
    """When the bake time of the change that is out is over, in seconds since the epoch."""
    baking_generation: int | None = None
    rolls_out: bool = False
    """Versions may carry labels, since a rollout was declared."""
    secrets: frozenset[str] = frozenset()
    """Names of parameters whose value in AWS is plain text and came from a Secret, or did at a version that may return."""
    created: frozenset[str] = frozenset()
    """Names of the parameters that were created since the last stable revision."""
    deletion_policies: Mapping[str, DeletionPolicy] = field(default_factory=dict)
    """The own policies of parameters, by full name."""

    tried_generation: int | None = None
    """The generation of which everything was carried out but what was refused."""
    earlier_roles: frozenset[str] = frozenset()
    """Names of roles outside the operator's own IAM path, as earlier versions made them: others take their place."""
    refused: frozenset[str] = frozenset()
    """Titles of what was refused, or waited for it; a kind alone stands for all of its resources."""

    expired: frozenset[str] = frozenset()
    """Names of parameters that were written, and that SSM deleted at their date."""

    def was_written(self, name: str) -> bool:
        """Whether AWS has or had this parameter of the object."""
        # A full list may be cut.
        return name in self.versions or name in self.expired or len(self.expired) >= MAX_EXPIRED

    def was_tried(self, generation: int, resource: Resource) -> bool:
        """Whether AWS had this resource as that generation declares it."""
        if self.generation == generation:
            return True
        # A full list may be cut.
        is_full = len(self.refused) >= MAX_REFUSED
        is_refused = is_full or bool({resource.title, resource.kind} & self.refused)
        return self.tried_generation == generation and not is_refused

    def replaces(self, role: str) -> bool:
        """Whether another role takes the place of the one of this name, or has taken it."""
        return role in self.earlier_roles or ("Role", role_beside(role)) in self.resources

    @property
    def is_baking(self) -> bool:
        """Whether a change was out that had not proved itself."""
        return self.baking_until is not None

    @property
    def drifted(self) -> frozenset[str]:
        """Titles of resources that were reported as drifted."""
        return frozenset(title for title, _field in self.drift)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One object, resolved: what should be in AWS, where, and how to go about differences."""

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
    """When which revision of the configuration came, in seconds since the epoch, oldest first; a dashboard marks them."""
    suspended: bool = False
    deleting: bool = False
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    deletion_policies: Mapping[str, DeletionPolicy] = field(default_factory=dict)
    """What counts in its place for single parameters, by full name; also for those that have left spec."""
    successor_of: SuccessorOf = field(default=no_successor, repr=False, compare=False)
    gives_up: GivesUp = field(default=keeps_all, repr=False, compare=False)
    """A plan of several objects knows before the operator what another one is about to give up."""
    awaits: GivesUp = field(default=keeps_all, repr=False, compare=False)
    """The operator waits for what another object no longer declares until that object has released it."""
    deletes_from: float = 0.0
    """From when on parameters that left spec are deleted, in seconds since the epoch: another object may come for them."""
    is_ahead_of_watch: bool = False
    """It was read in a generation that the watch has not brought yet: what other objects declare now may not be known."""
    adoption_policy: AdoptionPolicy = AdoptionPolicy.NEVER
    resync_seconds: int = 600
    applied: Applied | None = None
    approved_generation: int | None = None
    untouched: bool = False
    """Nothing was ever written for it."""
    blind: bool = False
    """There is no report of what was made before."""
    rollout: Rollout | None = None
    undone: bool = False
    """This generation failed: the stable revision stands in its place."""
    undone_created: frozenset[str] = frozenset()
    """Names of what the failed generation created: a rollback deletes nothing else."""
    undone_reported: frozenset[str] = frozenset()
    """Names without a stable version whose drift was reported before the rollback: it stays reported."""
    is_last_change: bool = False
    """Spec cannot be used: this is the change that bakes, and nothing is written but what undoes it."""
    requested: bool = False
    operator_version: str | None = None
    now: float = 0.0
    """When it is carried out, in seconds since the epoch, to the second."""
    heard: Mapping[str, str] = field(default_factory=dict)
    """Names of resources that an event spoke of, and who changed them where it told; empty where a whole look is due."""
    found: tuple[Resource, ...] = ()
    """What this owner has of the kinds that come before the one that is asked."""
    unread: Mapping[str, int | None] = field(default_factory=dict)
    """By title, what could not be read this time, and the version that was last reported of it."""

    @property
    def revision(self) -> str:
        """The revision of what was found, and of what could not be read as it was last reported."""
        return revision(self.found, self.unread)

    @property
    def marks(self) -> tuple[tuple[float, str], ...]:
        """The revisions with that which AWS has now; none where no report tells of those before."""
        if self.blind and not self.untouched:
            return ()
        current = self.revision
        is_written = any(isinstance(resource, Versioned) for resource in self.found)
        is_told = bool(self.revisions) and self.revisions[-1][1] == current
        return self.revisions if is_told or not is_written else (*self.revisions, (self.now, current))

    def retains(self, resource: Resource) -> bool:
        """Whether a resource stays in AWS without an owner when it is no longer declared."""
        if not isinstance(resource, Versioned):
            return self.deleting and self.deletion_policy is DeletionPolicy.RETAIN
        # What a failed generation made has no readers to keep it for.
        policy = self.deletion_policies.get(resource.name, self.deletion_policy)
        return policy is DeletionPolicy.RETAIN and not self.undone

    @property
    def known(self) -> tuple[str, ...]:
        """Names that may exist in AWS: those declared and those reported."""
        reported = self.applied.versions if self.applied else {}
        return tuple({**{parameter.name: None for parameter in self.parameters}, **dict.fromkeys(reported)})

    @property
    def expired(self) -> tuple[str, ...]:
        """Names of parameters whose Expiration has passed: that they are gone is as declared."""
        new = set(self.expired_unwritten)
        return tuple(name for name in self._past if name not in new)

    @property
    def expired_unwritten(self) -> tuple[str, ...]:
        """Names of parameters whose Expiration has passed and that were never written, as far as is known."""
        if self.applied is None:
            return self._past if self.untouched else ()
        written = self.applied.was_written
        return tuple(name for name in self._past if not written(name))

    @property
    def _past(self) -> tuple[str, ...]:
        pairs = ((parameter.name, parameter.spec.expires) for parameter in self.parameters)
        return tuple(name for name, expires in pairs if expires is not None and expires <= self.now)

    @property
    def is_partial(self) -> bool:
        """Whether it is enough to look at what was heard of: all else was seen at the last resync, and nobody asks."""
        is_applied = self.applied is not None and self.applied.generation == self.generation
        return bool(self.heard) and is_applied and not (self.requested or self.deleting or self.untouched)

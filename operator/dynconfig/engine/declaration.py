"""One object, resolved: plain values that the engine and the kinds work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynconfig.api.function import FunctionSpec
from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.spec import AdoptionPolicy, CacheSpec, DeletionPolicy, DriftPolicy
from dynconfig.engine.naming import Names
from dynconfig.engine.resource import Owner, Resource
from dynconfig.engine.rollout import Rollout
from dynconfig.engine.secret import Secret


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
"""Answers the text of a source, or None where the object or its key is missing."""


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """One parameter with its full name and its value."""

    name: str
    value: str | Secret
    spec: ParameterSpec
    tags: tuple[tuple[str, str], ...]
    is_leaving: bool = False
    """It is read until it is deleted, and not written any more."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What the last report said was applied; None in its place means that there was no report."""

    generation: int | None
    versions: Mapping[str, int]
    drifted: frozenset[str] = frozenset()
    """Titles of resources that were reported as drifted: their versions are not ours."""
    resources: tuple[tuple[str, str], ...] = ()
    """Kind and name of the resources besides parameters."""
    operator_version: str | None = None
    """The operator that applied it: another one may declare a function's code or layer otherwise."""
    undone_generation: int | None = None
    """The generation that was undone."""
    baking_since: float | None = None
    """When the change that bakes began, in seconds since the epoch."""

    @property
    def is_baking(self) -> bool:
        """Whether a change was out that had not proved itself."""
        return self.baking_since is not None


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
    suspended: bool = False
    deleting: bool = False
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    adoption_policy: AdoptionPolicy = AdoptionPolicy.NEVER
    resync_seconds: int = 600
    applied: Applied | None = None
    approved_generation: int | None = None
    untouched: bool = False
    blind: bool = False
    """There is no report of what was made before."""
    rollout: Rollout | None = None
    undone: bool = False
    """This generation failed: the stable revision stands in its place."""
    requested: bool = False
    operator_version: str | None = None
    found: tuple[Resource, ...] = ()
    """What this owner has of the kinds that come before the one that is asked."""

    @property
    def known(self) -> tuple[str, ...]:
        """Names that may exist in AWS: those declared and those reported."""
        reported = self.applied.versions if self.applied else {}
        return tuple({**{parameter.name: None for parameter in self.parameters}, **dict.fromkeys(reported)})

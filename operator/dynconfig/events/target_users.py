"""Which objects use a target: those that have something there, or whose namespace may use their path there. Pure."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from dynconfig.model.key import Key
from dynconfig.validation.tenancy import Tenant, is_path_allowed

TenantIn = Callable[[str, str], Tenant]
"""Return what a namespace may use in a target, by their names."""


class FirstUsers(NamedTuple):
    """Some of the objects that use a target."""

    keys: tuple[Key, ...] = ()
    """The first ones, sorted."""
    more: int = 0
    """How many others there are."""


@dataclass(slots=True)
class _NewObjects:
    """Objects of one namespace of which status records no place in a target; each is decided once until its rights change."""

    paths: dict[Key, str] = field(default_factory=dict)
    allowed: set[Key] = field(default_factory=set)
    """Those whose path the namespace may use."""
    undecided: set[Key] = field(default_factory=set)
    rights: tuple[bool, tuple[str, ...]] | None = None
    """Whether all permissions of the namespace are known, and the paths that it may use, when `allowed` was decided."""

    def add(self, key: Key, path: str) -> None:
        """Add an object."""
        self.paths[key] = path
        self.undecided.add(key)

    def discard(self, key: Key) -> None:
        """Remove an object."""
        self.paths.pop(key, None)
        self.allowed.discard(key)
        self.undecided.discard(key)

    def users(self, tenant: Tenant) -> set[Key]:
        """Return the objects whose path the namespace may use; not to be changed."""
        is_known, usable = rights = tenant.is_known, tenant.usable_paths
        if rights != self.rights:
            self.rights, self.undecided = rights, set(self.paths)
            self.allowed.clear()
        if self.undecided:
            paths = {self.paths[key] for key in self.undecided}
            found = {path for path in paths if not is_known or is_path_allowed(path, usable)}
            self.allowed.update(key for key in self.undecided if self.paths[key] in found)
            self.undecided.clear()
        return self.allowed


class TargetUsers:
    """The users of all targets. Objects that may not use their path cost nothing once that is decided. Not thread-safe."""

    def __init__(self, tenant_in: TenantIn) -> None:
        self._tenant_in = tenant_in
        self._written: dict[str, set[Key]] = {}
        """Objects of which status records that they may have something there, by target."""
        self._new: dict[str, dict[tuple[str, bool], _NewObjects]] = {}
        """The others, by target, namespace, and whether their status may be lost: their authors can make it look so."""

    def add(self, target: str, key: Key, path: str, *, is_recorded: bool, is_place_lost: bool) -> None:
        """Add an object of a target, which is not known yet; `is_recorded`: whether status records where it writes."""
        if is_recorded:
            self._written.setdefault(target, set()).add(key)
        else:
            new = self._new.setdefault(target, {}).setdefault((key.namespace, is_place_lost), _NewObjects())
            new.add(key, path)

    def discard(self, target: str, key: Key) -> None:
        """Remove an object of a target."""
        written, new = self._written.get(target, set()), self._new.get(target, {})
        written.discard(key)
        if not written:
            self._written.pop(target, None)
        for group in ((key.namespace, True), (key.namespace, False)):
            if group in new:
                new[group].discard(key)
                if not new[group].paths:
                    del new[group]
        if not new:
            self._new.pop(target, None)

    def any(self, target: str, *, is_terminating: bool) -> FirstUsers:
        """Return any one of the objects that use a target, if there are some, without looking for others."""
        found = next((users for users in self._of(target, is_terminating=is_terminating) if users), None)
        return FirstUsers((next(iter(found)),)) if found else FirstUsers()

    def first(self, target: str, most: int, *, is_terminating: bool) -> FirstUsers:
        """Return the first of the objects that use a target, and the number of all."""
        groups = list(self._of(target, is_terminating=is_terminating))
        keys = tuple(heapq.nsmallest(most, (key for group in groups for key in group)))
        return FirstUsers(keys, sum(map(len, groups)) - len(keys))

    def _of(self, target: str, *, is_terminating: bool) -> Iterator[set[Key]]:
        """Yield the objects that have something there or may, except new ones of a target that is being deleted."""
        yield self._written.get(target, set())
        for (namespace, is_place_lost), new in self._new.get(target, {}).items():
            if is_place_lost or not is_terminating:
                yield new.users(self._tenant_in(namespace, target))

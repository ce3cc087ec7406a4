"""An index of the names that objects declare and report: finds the objects of an event, and successors of parameters. Pure."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dynconfig.api import names
from dynconfig.api.parameter import MAX_LEVELS
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.events.signals import EVERYWHERE, Signal, without_arn
from dynconfig.events.target_users import FirstUsers, TargetUsers
from dynconfig.model.declaration import Successor, in_target
from dynconfig.model.fingerprint import Fingerprints, contains, fingerprint, fingerprints
from dynconfig.model.holders import Holders
from dynconfig.model.key import Key
from dynconfig.model.previous_status import PreviousStatus, ReportedResource
from dynconfig.model.resource import Owner
from dynconfig.model.stored import (
    RecordedPlace,
    is_first_write,
    is_suspended,
    listed_names,
    recorded_place,
    region_of,
    spec_of,
    status_of,
    target_of,
)
from dynconfig.model.target import Target
from dynconfig.validation.declare import was_observed, wrote_nothing
from dynconfig.validation.tenancy import Tenant, TenantOf

MAX_USERS = 5
"""How many users of a target are named."""


@dataclass(frozen=True, slots=True)
class _Entry:
    uid: str
    region: str
    """The key of its place: a region, or a target."""
    target: str
    """The name of its target; empty for the operator's own identity."""
    path: str
    declared: Fingerprints
    """Digests of full names. A collision may cause a needless reconcile, or retain a parameter in AWS."""
    reported: Fingerprints
    """Digests of full names of parameters in status that spec does not declare."""
    adopts: bool
    """Whether it adopts resources without an owner. An object that is being deleted adopts nothing."""
    is_deleting: bool
    suspended: bool
    has_finalizer: bool
    recorded: RecordedPlace | None
    """Where it writes, by its status."""
    was_reported: bool
    """Whether it has another status than the one that precedes its finalizer and its first write."""
    was_observed: bool
    """Whether AWS was observed for it, so its namespace was allowed to use its immutable path."""
    wrote_nothing: bool
    """Whether AWS can have nothing of it."""
    resources: tuple[tuple[str, str], ...]
    """Pairs of an identifier used in events (the name or the end of the ARN) and the name. The status limits both."""

    def is_elsewhere(self, target: Target | None) -> bool:
        """Whether it writes in another account or region than its target has now."""
        return target is not None and self.recorded is not None and not self.recorded.is_in(target)

    @property
    def released(self) -> Iterator[tuple[str, int]]:
        """Yield place and digest of each parameter that the object is about to release."""
        return ((self.region, digest) for digest in (() if self.suspended else self.reported))


class _Group(NamedTuple):
    """Objects of a namespace with the same place and path, for which the same permission decides."""

    namespace: str
    target: str
    region: str
    path: str
    was_observed: bool
    """They may have something in AWS, so their namespace once had the permission."""

    @classmethod
    def of(cls, key: Key, entry: _Entry) -> "_Group":
        """Return the group of an object."""
        return cls(key.namespace, entry.target, entry.region, entry.path, entry.was_observed)


class TargetTenants(Protocol):
    """What namespaces may use in targets."""

    @property
    def default(self) -> str:
        """The name of the target of objects without spec.target; empty for none."""

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""


class ResourceIndex:
    """The entries of all objects: a few hundred bytes each, and eight for each parameter. Thread-safe."""

    def __init__(
        self,
        default_region: str,
        tenant_of: TenantOf = Tenant,
        targets: TargetTenants | None = None,
    ) -> None:
        self._default_region = default_region
        self._default_target = targets.default if targets else ""
        self._tenant_of = tenant_of
        self._tenant_in = targets.tenant_in if targets else lambda namespace, _target: tenant_of(namespace)
        self._by_target: dict[str, set[Key]] = {}
        self._users = TargetUsers(self._tenant_in)
        self._lock = threading.RLock()
        self._entries: dict[Key, _Entry] = {}
        self._groups = Holders[tuple[str, str], _Group]()
        """The groups of each place and path."""
        self._members = Holders[_Group, Key]()
        self._resources: dict[str, set[tuple[Key, str]]] = {}
        self._undeclared = Holders[tuple[str, int], Key]()
        """Objects by place and digest of each parameter that they are about to release."""

    def update(self, key: Key, document: Mapping[str, Any]) -> str | None:
        """Update the entry of an object; return the region of its events, or None if it has a target."""
        entry = self._entry(document)
        region = None if entry.target else entry.region
        with self._lock:
            if self._entries.get(key) == entry:
                return region
            self.forget(key)
            self._entries[key] = entry
            for released in entry.released:
                self._undeclared.add(released, key)
            group = _Group.of(key, entry)
            self._groups.add((entry.region, entry.path), group)
            self._members.add(group, key)
            if entry.target:
                self._by_target.setdefault(entry.target, set()).add(key)
                self._users.add(entry.target, key, entry.path, wrote_nothing=entry.wrote_nothing)
            for identifier, name in entry.resources:
                self._resources.setdefault(identifier, set()).add((key, name))
        return region

    def forget(self, key: Key) -> None:
        """Remove the entry of an object."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None:
                return
            for released in entry.released:
                self._undeclared.discard(released, key)
            group = _Group.of(key, entry)
            self._members.discard(group, key)
            if group not in self._members:
                self._groups.discard((entry.region, entry.path), group)
            if entry.target:
                _discard(self._by_target, entry.target, key)
                self._users.discard(entry.target, key)
            for identifier, name in entry.resources:
                _discard(self._resources, identifier, (key, name))

    def target(self, document: Mapping[str, Any]) -> str:
        """Return the name of the target of an object; empty for the operator's own identity."""
        return target_of(document, self._default_target)

    def in_target(self, target: str) -> tuple[Key, ...]:
        """Return the objects with a target."""
        with self._lock:
            return tuple(sorted(self._by_target.get(target, ())))

    def using(self, target: str, *, is_terminating: bool = False, is_one_enough: bool = False) -> FirstUsers:
        """Return the objects that use a target: those that have something there or, unless it is being deleted, may.

        With `is_one_enough`, any one of them.
        """
        with self._lock:
            if is_one_enough:
                return self._users.any(target, is_terminating=is_terminating)
            return self._users.first(target, MAX_USERS, is_terminating=is_terminating)

    def may_use(self, key: Key) -> bool:
        """Whether the namespace of an object may use its path; True if the object is unknown."""
        with self._lock:
            return key not in self._entries or self._may_use(key)

    def path(self, key: Key) -> str:
        """Return the declared path of an object; empty if there is none."""
        with self._lock:
            entry = self._entries.get(key)
        return entry.path if entry else ""

    def receiving(self, key: Key, document: Mapping[str, Any] | None) -> tuple[Key, ...]:
        """Return the other objects that declare a parameter which this object no longer has, compared with its entry.

        `document` is None for a deleted object. To be called before `update` or `forget`.
        """
        with self._lock:
            old = self._entries.get(key)
            if old is None:
                return ()
            new = self._entry(document) if document else None
            had = {*old.declared, *old.reported} - ({*new.declared, *new.reported} if new else set())
            if not had:
                return ()
            others = (other for other in self._at(old.region, old.path) if other != key)
            return tuple(sorted(other for other in others if not had.isdisjoint(self._entries[other].declared)))

    def of(self, signal: Signal) -> dict[Key, tuple[str, ...]]:
        """Return the objects that an event concerns, each with the names of its resources in the event."""
        found: dict[Key, tuple[str, ...]] = {}
        for name in signal.parameters:
            for key in self.naming(signal.region, name):
                found[key] = (*found.get(key, ()), name)
        for identifier in signal.resources:
            for key, name in sorted(self._resources.get(identifier, ())):
                if signal.region in (EVERYWHERE, self._entries[key].region):
                    found[key] = (*found.get(key, ()), name)
        return found

    def naming(self, region: str, name: str) -> tuple[Key, ...]:
        """Return the objects that declare or report a parameter with this full name."""
        with self._lock:
            wanted = fingerprint(name)
            found = self._below(region, name)
            return tuple(key for key, of in found if contains(of.declared, wanted) or contains(of.reported, wanted))

    def successor(
        self, giver: Owner, region: str, name: str, *, target: Target | None = None, is_awaited: bool = True
    ) -> Successor | None:
        """Return the object that adopts a parameter which the giver releases: it declares the full name and may adopt it.

        Suspended and invalid objects count, too, since a declared parameter is not deleted. For the same reason, objects count
        whose namespace has lost the permission for the path, or whose permission is unknown: the parameter is retained for
        these without an owner. An object whose namespace was never allowed to use the path does not count, so it cannot
        prevent others from deleting their parameters. Neither does one that writes in another account or region than `target`,
        the target of the giver: what it declares is another parameter.

        Objects of the giver's namespace come first, then those that are accepted already. `is_awaited`: whether the giver still
        waits for the acceptance of a new object, which its author may prevent for ever.
        """
        with self._lock:
            wanted = fingerprint(name)
            found = [other for other, of in self._below(region, name) if of.adopts and contains(of.declared, wanted)]
            giving = Key(giver.namespace, giver.name)
            others = [other for other in found if other != giving and not self._entries[other].is_elsewhere(target)]
            successors = [self._as_successor(giver.cluster, other, is_awaited=is_awaited) for other in others]
            return min(successors, key=lambda successor: _rank(successor, giver), default=None)

    def _as_successor(self, cluster: str, key: Key, *, is_awaited: bool) -> Successor:
        entry = self._entries[key]
        owner = Owner(cluster, key.namespace, key.name, entry.uid)
        # Without both, its deletion removes nothing from AWS. A status without a place is a refusal; and the author of an
        # object, too, can set the finalizer.
        accepts = entry.has_finalizer and entry.recorded is not None
        may_own = (accepts or (is_awaited and not entry.was_reported)) and self._may_use(key)
        return Successor(owner, may_own=may_own, has_finalizer=accepts)

    def releasing_to(self, key: Key) -> tuple[Key, ...]:
        """Return the objects that no longer declare a parameter in their status, but this object does.

        A suspended object releases nothing.
        """
        with self._lock:
            own = self._entries[key]
            found = {other for digest in own.declared for other in self._undeclared.of((own.region, digest))}
            return tuple(sorted(found - {key}))

    def gives_up(self, region: str, owner: str, name: str) -> bool:
        """Whether an object, as NAMESPACE/NAME, is about to release a parameter: it is being deleted or does not declare it."""
        with self._lock:
            entry = self._entries.get(Key(*owner.split("/")))
            if entry is None or entry.suspended:
                return False
            declares = entry.region == region and contains(entry.declared, fingerprint(name))
            return entry.is_deleting or not declares

    def _region_of(self, document: Mapping[str, Any], previous: PreviousStatus) -> str:
        recorded = previous.place.region if previous.place else ""
        return region_of(document) or recorded or self._default_region

    def _may_use(self, key: Key) -> bool:
        entry = self._entries[key]
        return self._tenant(key.namespace, entry.target).may_use_path(entry.path)

    def _tenant(self, namespace: str, target: str) -> Tenant:
        return self._tenant_in(namespace, target) if target else self._tenant_of(namespace)

    def _at(self, region: str, path: str) -> Iterator[Key]:
        """Yield the objects with a path, except those of namespaces that may not use it and never could.

        However many they are, such objects cost others nothing.
        """
        for group in self._groups.of((region, path)):
            if group.was_observed or self._tenant(group.namespace, group.target).may_have_path(path):
                yield from self._members.of(group)

    def _below(self, region: str, name: str) -> Iterator[tuple[Key, _Entry]]:
        """Yield the objects whose path contains the name, as `_at`."""
        end = name.rfind("/")
        # No declared path has more levels, so a name of only slashes is not more expensive.
        for _level in range(MAX_LEVELS):
            if end <= 0:
                return
            for key in self._at(region, name[:end]):
                yield key, self._entries[key]
            end = name.rfind("/", 0, end)

    def _entry(self, document: Mapping[str, Any]) -> _Entry:
        spec, previous = spec_of(document), PreviousStatus.of_object(document)
        target = self.target(document)
        path = str(spec.get("path", ""))
        declared = {f"{path}/{name}" for name in listed_names(spec.get("parameters"))}
        reported = previous.versions.keys() - declared
        resources = {pair for item in previous.resources for pair in _identifiers(item)}
        return _Entry(
            uid=str((document.get("metadata") or {}).get("uid") or ""),
            region=in_target(target) if target else self._region_of(document, previous),
            target=target,
            path=path,
            declared=fingerprints(declared),
            reported=fingerprints(reported),
            adopts=adopts(document),
            is_deleting=_is_deleting(document),
            suspended=is_suspended(document),
            has_finalizer=names.FINALIZER in ((document.get("metadata") or {}).get("finalizers") or ()),
            recorded=recorded_place(document.get("status")),
            was_reported=previous.or_none is not None and not is_first_write(status_of(document)),
            was_observed=was_observed(document),
            wrote_nothing=wrote_nothing(document),
            resources=tuple(sorted(resources)),
        )


def adopts(document: Mapping[str, Any]) -> bool:
    """Whether an object adopts resources without an owner or handed over to it."""
    return spec_of(document).get("adoptionPolicy") == AdoptionPolicy.IF_UNOWNED and not _is_deleting(document)


def _rank(successor: Successor, giver: Owner) -> tuple[bool, bool, bool, str, str]:
    """Return a sort key: first the object that is most likely meant to have a parameter of the giver."""
    owner = successor.owner
    is_other = owner.namespace != giver.namespace
    return (not successor.may_own, is_other, not successor.has_finalizer, owner.namespace, owner.name)


def _is_deleting(document: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in (document.get("metadata") or {})


def _identifiers(resource: ReportedResource) -> Iterator[tuple[str, str]]:
    """Yield identifiers and name of a resource. API Gateway identifies APIs only by an ID, which is in the ARN."""
    yield resource.name, resource.name
    if resource.arn:
        yield without_arn(resource.arn), resource.name


def _discard(index: dict[Any, set[Any]], name: Any, entry: Any) -> None:
    index[name].discard(entry)
    if not index[name]:
        del index[name]

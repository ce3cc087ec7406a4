"""An index of the names that objects declare and report: finds the objects of an event, and successors of parameters. Pure."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Any, NamedTuple, Protocol

from dynconfig.api import names
from dynconfig.api.parameter import MAX_LEVELS
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.events.signals import EVERYWHERE, Signal, without_arn
from dynconfig.events.target_users import FirstUsers, TargetUsers
from dynconfig.model.declaration import Successor, in_target
from dynconfig.model.digest_index import DigestIndex
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
from dynconfig.validation.declare import is_place_lost, was_observed
from dynconfig.validation.tenancy import Tenant, TenantOf

MAX_USERS = 5
"""How many users of a target are named."""

MAX_RECEIVING = 20
"""How many objects that declare a parameter are found when another replica's object gives it up: only one receives it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    uid: str
    region: str
    """The key of its place: a region, or a target."""
    target: str
    """The name of its target; empty for the operator's own identity."""
    needed_region: str
    """The region that its namespace needs a right to; empty for that of the operator or target."""
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
    had_parameters: bool
    """Whether it declared or owned parameters when AWS was observed for it: its namespace was allowed to have them. Path and
    region are immutable."""
    is_place_lost: bool
    """Whether AWS may have something of it although status records nothing, if its namespace may have its path."""
    resources: tuple[tuple[str, str], ...]
    """Pairs of an identifier used in events (the name or the end of the ARN) and the name. The status limits both."""

    @property
    def accepts(self) -> bool:
        """Whether it may be given a parameter at once.

        Without both, its deletion removes nothing from AWS. A status without a place is a refusal; and the author of an object,
        too, can set the finalizer.
        """
        return self.has_finalizer and self.recorded is not None

    @property
    def names(self) -> Iterator[int]:
        """Yield the digests of all parameters that it declares or reports."""
        yield from self.declared
        yield from self.reported

    def has(self, digest: int) -> bool:
        """Whether it declares or reports a parameter."""
        return contains(self.declared, digest) or contains(self.reported, digest)

    def is_elsewhere(self, target: Target | None) -> bool:
        """Whether it writes in another account or region than its target has now."""
        return target is not None and self.recorded is not None and not self.recorded.is_in(target)

    @property
    def released(self) -> Iterator[tuple[str, int]]:
        """Yield place and digest of each parameter that the object is about to release."""
        return ((self.region, digest) for digest in (() if self.suspended else self.reported))


class _Group(NamedTuple):
    """Objects of a namespace with the same place and path that are found, or chosen as successors, by the same rules."""

    namespace: str
    target: str
    region: str
    needed_region: str
    path: str
    had_parameters: bool
    """Their namespace once had the permission, and they may have parameters in AWS."""
    was_reported: bool
    adopts: bool
    accepts: bool

    @classmethod
    def of(cls, key: Key, entry: _Entry) -> "_Group":
        """Return the group of an object."""
        place = key.namespace, entry.target, entry.region, entry.needed_region, entry.path
        return cls(*place, entry.had_parameters, entry.was_reported, entry.adopts, entry.accepts)

    @property
    def mark(self) -> int:
        """Return what makes digests of names different from those in other groups."""
        return fingerprint(repr(self))


class TargetTenants(Protocol):
    """What namespaces may use in targets."""

    @property
    def default(self) -> str:
        """The name of the target of objects without spec.target; empty for none."""

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""


class ResourceIndex:
    """The entries of all objects: a few hundred bytes each, and sixteen for each parameter. Thread-safe."""

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
        self._marks: dict[_Group, int] = {}
        self._members = Counter[_Group]()
        """The number of objects of each group."""
        self._names = DigestIndex()
        """The numbers of objects by digest of each name that they declare or report, and mark of their group."""
        self._keys: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}
        self._unused = count()
        self._resources: dict[str, set[tuple[Key, str]]] = {}
        self._undeclared = Holders[tuple[str, int], Key]()
        """Objects by place and digest of each parameter that they are about to release."""

    def update(self, key: Key, document: Mapping[str, Any]) -> str | None:
        """Update the entry of an object; return the region of its events, or None if it has a target."""
        entry = self._entry(document)
        region = None if entry.target else entry.region
        with self._lock:
            known = self._entries.get(key)
            if known == entry:
                return region
            has_names_of = known is not None and _indexed(key, known) == _indexed(key, entry)
            if known is not None:
                self._remove(key, known)
                if not has_names_of:
                    self._remove_names(key, known)
            if not has_names_of:
                self._add_names(key, entry)
            self._add(key, entry)
        return region

    def _add(self, key: Key, entry: _Entry) -> None:
        self._entries[key] = entry
        for released in entry.released:
            self._undeclared.add(released, key)
        if entry.target:
            self._by_target.setdefault(entry.target, set()).add(key)
            is_recorded, is_lost = entry.recorded is not None, entry.is_place_lost
            self._users.add(entry.target, key, entry.path, is_recorded=is_recorded, is_place_lost=is_lost)
        for identifier, name in entry.resources:
            self._resources.setdefault(identifier, set()).add((key, name))

    def _remove(self, key: Key, entry: _Entry) -> None:
        del self._entries[key]
        for released in entry.released:
            self._undeclared.discard(released, key)
        if entry.target:
            _discard(self._by_target, entry.target, key)
            self._users.discard(entry.target, key)
        for identifier, name in entry.resources:
            _discard(self._resources, identifier, (key, name))

    def _add_names(self, key: Key, entry: _Entry) -> None:
        group, number = _Group.of(key, entry), next(self._unused)
        self._numbers[key], self._keys[number] = number, key
        self._members[group] += 1
        self._groups.add((entry.region, entry.path), group)
        mark = self._marks[group] = group.mark
        for digest in entry.names:
            self._names.add(mark ^ digest, number)

    def _remove_names(self, key: Key, entry: _Entry) -> None:
        group, number = _Group.of(key, entry), self._numbers.pop(key)
        del self._keys[number]
        self._members[group] -= 1
        if not self._members[group]:
            del self._members[group], self._marks[group]
            self._groups.discard((entry.region, entry.path), group)
        mark = group.mark
        for digest in entry.names:
            self._names.discard(mark ^ digest, number)

    def forget(self, key: Key) -> None:
        """Remove the entry of an object."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._remove(key, entry)
                self._remove_names(key, entry)

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
        """Whether the namespace of an object may use its path, and have its parameters there; True if the object is unknown."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or len(entry.declared) > 0:
                return entry is None or self._may_write(key, entry)
            return self._tenant(key.namespace, entry.target).may_use_path(entry.path)

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
            had = set(old.names).difference(new.names if new else ())
            groups = tuple(self._at(old.region, old.path)) if had else ()
            naming = (self._naming(group, digest) for group in groups for digest in had)
            found = {other for keys in naming for other in islice(keys, MAX_RECEIVING)}
            return tuple(sorted(found - {key}))

    def of(self, signal: Signal) -> dict[Key, tuple[str, ...]]:
        """Return the objects that an event concerns, each with the names of its resources in the event."""
        found: dict[Key, tuple[str, ...]] = {}
        place = in_target(signal.target.name) if signal.target else signal.region
        for name in signal.parameters:
            for key in self.naming(place, name):
                found[key] = (*found.get(key, ()), name)
        for identifier in signal.resources:
            for key, name in sorted(self._resources.get(identifier, ())):
                entry = self._entries[key]
                if entry.region == place or (place == EVERYWHERE and not entry.target):
                    found[key] = (*found.get(key, ()), name)
        return {key: names for key, names in found.items() if not self._entries[key].is_elsewhere(signal.target)}

    def named_in(self, key: Key, signal: Signal) -> tuple[str, ...]:
        """Return the names of an object's resources in an event, as `of`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.is_elsewhere(signal.target):
                return ()
            place = in_target(signal.target.name) if signal.target else signal.region
            found = [name for identifier, name in entry.resources if identifier in signal.resources]
            resources = found if entry.region == place or (place == EVERYWHERE and not entry.target) else ()
            may_have = entry.region == place and self._may_have_parameters(_Group.of(key, entry))
            parameters = (name for name in signal.parameters if entry.has(fingerprint(name))) if may_have else ()
            return (*parameters, *resources)

    def digests(self, key: Key) -> frozenset[int]:
        """Return the digests of all names of an object in events."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return frozenset()
            return frozenset((*entry.names, *(fingerprint(identifier) for identifier, _name in entry.resources)))

    def naming(self, region: str, *full_names: str) -> tuple[Key, ...]:
        """Return the objects that declare or report a parameter with one of these full names."""
        with self._lock:
            found = {key for name in full_names for _group, keys in self._below(region, name) for key in keys}
            return tuple(sorted(found, key=self._numbers.__getitem__))

    def successor(
        self, giver: Owner, region: str, name: str, *, target: Target | None = None, is_awaited: bool = True
    ) -> Successor | None:
        """Return the object that adopts a parameter which the giver releases: it declares the full name and may adopt it.

        Suspended and invalid objects count, too, since a declared parameter is not deleted. For the same reason, objects count
        whose namespace has lost the permission for parameters there, or whose permission is unknown: the parameter is retained
        for these without an owner. An object whose namespace was never allowed to have parameters at its path and in its region
        does not count, so it cannot prevent others from deleting theirs. Neither does one that writes in another account or
        region than `target`, the target of the giver: what it declares is another parameter.

        Objects of the giver's namespace come first, then those that are accepted already; of equal ones, the one that was known
        first. `is_awaited`: whether the giver still waits for the acceptance of a new object, which its author may prevent for
        ever.
        """
        with self._lock:
            able, giving = partial(self._receives, fingerprint(name), target), Key(giver.namespace, giver.name)
            adopting = [keys for group, keys in self._below(region, name) if group.adopts]
            # Of each group the first, however many others declare the parameter.
            found = [first for keys in adopting if (first := next((k for k in keys if k != giving and able(k)), None))]
            successors = [self._as_successor(giver.cluster, other, is_awaited=is_awaited) for other in found]
            return min(successors, key=lambda successor: _rank(successor, giver), default=None)

    def _as_successor(self, cluster: str, key: Key, *, is_awaited: bool) -> Successor:
        entry = self._entries[key]
        owner = Owner(cluster, key.namespace, key.name, entry.uid)
        may_own = (entry.accepts or (is_awaited and not entry.was_reported)) and self._may_write(key, entry)
        return Successor(owner, may_own=may_own, has_finalizer=entry.accepts)

    def releasing_to(self, key: Key) -> tuple[Key, ...]:
        """Return the objects that no longer declare a parameter in their status, but this object does, and may have it.

        A suspended object releases nothing.
        """
        with self._lock:
            own = self._entries[key]
            found = {other for digest in own.declared for other in self._undeclared.of((own.region, digest))} - {key}
            tenant = self._tenant(key.namespace, own.target)
            is_allowed = bool(found) and tenant.may_have_parameters(own.path, own.needed_region)
            return tuple(sorted(found)) if is_allowed else ()

    def is_releasing(self, key: Key) -> bool:
        """Whether the status of an object has parameters that it does not declare any more; True if it is unknown."""
        with self._lock:
            entry = self._entries.get(key)
            return entry is None or len(entry.reported) > 0

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

    def _may_write(self, key: Key, entry: _Entry) -> bool:
        """Whether the namespace of an object may have parameters at its path and in its region, as far as is known."""
        return self._tenant(key.namespace, entry.target).may_write_parameters(entry.path, entry.needed_region)

    def _tenant(self, namespace: str, target: str) -> Tenant:
        return self._tenant_in(namespace, target) if target else self._tenant_of(namespace)

    def _receives(self, wanted: int, target: Target | None, key: Key) -> bool:
        """Whether an object declares a parameter, by its digest, of a target."""
        entry = self._entries[key]
        return contains(entry.declared, wanted) and not entry.is_elsewhere(target)

    def _at(self, region: str, path: str) -> Iterator[_Group]:
        """Yield the groups of objects with a path, except those of namespaces that may not have parameters there and never could.

        However many they are, such objects cost others nothing.
        """
        return filter(self._may_have_parameters, self._groups.of((region, path)))

    def _may_have_parameters(self, group: _Group) -> bool:
        tenant = self._tenant(group.namespace, group.target)
        return group.had_parameters or tenant.may_have_parameters(group.path, group.needed_region)

    def _naming(self, group: _Group, wanted: int) -> Iterator[Key]:
        """Yield the objects of a group that declare or report a parameter, by its digest, in the order in which they were known.

        The index may find others, since it compares half of each digest.
        """
        for number in self._names.of(self._marks[group] ^ wanted):
            key = self._keys[number]
            entry = self._entries[key]
            if entry.has(wanted) and _Group.of(key, entry) == group:
                yield key

    def _below(self, region: str, name: str) -> Iterator[tuple[_Group, Iterator[Key]]]:
        """Yield the groups whose path contains the name, as `_at`, each with the objects that declare or report it."""
        wanted, end = fingerprint(name), name.rfind("/")
        # No declared path has more levels, so a name of only slashes is not more expensive.
        for _level in range(MAX_LEVELS):
            if end <= 0:
                return
            # Most names of events are declared by no one; that is known before rights are.
            for group in self._groups.of((region, name[:end])):
                if self._names.of(self._marks[group] ^ wanted) and self._may_have_parameters(group):
                    yield group, self._naming(group, wanted)
            end = name.rfind("/", 0, end)

    def _entry(self, document: Mapping[str, Any]) -> _Entry:
        spec, previous = spec_of(document), PreviousStatus.of_object(document)
        target = self.target(document)
        path = str(spec.get("path", ""))
        declared = {f"{path}/{name}" for name in listed_names(spec.get("parameters"))}
        reported = previous.versions.keys() - declared
        resources = {pair for item in previous.resources for pair in _identifiers(item)}
        region = in_target(target) if target else self._region_of(document, previous)
        needed = (region_of(document) or "") if target else ("" if region == self._default_region else region)
        return _Entry(
            uid=str((document.get("metadata") or {}).get("uid") or ""),
            region=region,
            target=target,
            needed_region=needed,
            path=path,
            declared=fingerprints(declared),
            reported=fingerprints(reported),
            adopts=adopts(document),
            is_deleting=_is_deleting(document),
            suspended=is_suspended(document),
            has_finalizer=names.FINALIZER in ((document.get("metadata") or {}).get("finalizers") or ()),
            recorded=recorded_place(document.get("status")),
            was_reported=previous.or_none is not None and not is_first_write(status_of(document)),
            had_parameters=was_observed(document) and previous.had_parameters,
            is_place_lost=is_place_lost(document),
            resources=tuple(sorted(resources)),
        )


def _indexed(key: Key, entry: _Entry) -> tuple[_Group, Fingerprints, Fingerprints]:
    return _Group.of(key, entry), entry.declared, entry.reported


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

"""An index of the names that objects declare and report: finds the objects of an event, and successors of parameters. Pure."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple, Protocol

from dynconfig.api import names
from dynconfig.api.parameter import MAX_LEVELS
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.events.index_entry import AWAITED, Entry, Group
from dynconfig.events.signals import EVERYWHERE, Signal, without_arn
from dynconfig.events.target_users import FirstUsers, TargetUsers
from dynconfig.model.declaration import Successor, in_target, target_in
from dynconfig.model.digest_index import DigestIndex
from dynconfig.model.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.model.holders import Holders
from dynconfig.model.key import Key
from dynconfig.model.previous_status import PreviousStatus, ReportedResource
from dynconfig.model.resource import Owner
from dynconfig.model.stored import (
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


class TargetTenants(Protocol):
    """What namespaces may use in targets."""

    @property
    def default(self) -> str:
        """The name of the target of objects without spec.target; empty for none."""

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""

    def region_of(self, target: str, /) -> str:
        """Return the region of a target; empty if it is unknown."""


class Refs(NamedTuple):
    """What finds the objects of a name."""

    found: Sequence[tuple[str, int]]
    """Pairs of a namespace and what finds its objects."""
    visited: int
    """How many groups of objects were examined."""


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
        self._region_in = targets.region_of if targets else lambda _target: ""
        self._users = TargetUsers(self._tenant_in)
        self._lock = threading.RLock()
        self._entries: dict[Key, Entry] = {}
        self._groups = Holders[tuple[str, str, str], Group]()
        """The groups of each slot."""
        self._marks: dict[Group, int] = {}
        self._members = Counter[Group]()
        """The number of objects of each group."""
        self._names = DigestIndex()
        """The numbers of objects by digest and group of each name that they declare or report, and by identifiers in events."""
        self._keys: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}
        self._unused = 0
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

    def _add(self, key: Key, entry: Entry) -> None:
        self._entries[key] = entry
        for released in entry.released:
            self._undeclared.add(released, key)
        if entry.target:
            self._by_target.setdefault(entry.target, set()).add(key)
            is_recorded, is_lost = entry.recorded is not None, entry.is_place_lost
            self._users.add(entry.target, key, entry.path, is_recorded=is_recorded, is_place_lost=is_lost)
        for ref in entry.identifiers:
            self._names.add(ref, self._numbers[key])

    def _remove(self, key: Key, entry: Entry) -> None:
        del self._entries[key]
        for released in entry.released:
            self._undeclared.discard(released, key)
        if entry.target:
            _discard(self._by_target, entry.target, key)
            self._users.discard(entry.target, key)
        for ref in entry.identifiers:
            self._names.discard(ref, self._numbers[key])

    def _add_names(self, key: Key, entry: Entry) -> None:
        group, number = Group.of(key, entry), self._unused
        self._unused += 1
        self._numbers[key], self._keys[number] = number, key
        self._members[group] += 1
        self._groups.add(group.slot, group)
        mark = self._marks[group] = group.mark
        for ref in entry.refs:
            self._names.add(mark ^ ref, number)

    def _remove_names(self, key: Key, entry: Entry) -> None:
        group, number = Group.of(key, entry), self._numbers.pop(key)
        del self._keys[number]
        self._members[group] -= 1
        if not self._members[group]:
            del self._members[group], self._marks[group]
            self._groups.discard(group.slot, group)
        mark = group.mark
        for ref in entry.refs:
            self._names.discard(mark ^ ref, number)

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
            if entry is None or entry.has_parameters:
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

    @property
    def unused(self) -> int:
        """The lowest number that no object had yet: one whose names change gets another number."""
        with self._lock:
            return self._unused

    def refs(self, place: str, name: str) -> Refs:
        """Return what finds the objects that declare or report a parameter, by namespace: first those whose status has it."""
        with self._lock:
            groups = tuple(self._groups_below(place, name))
            digest = fingerprint(name)
            refs = ((group, _refs_of(self._marks[group], digest)[number]) for number in (0, 1) for group in groups)
            found = [(group, ref) for group, ref in refs if self._has_ref(ref)]
            allowed = [(group.namespace, ref) for group, ref in found if self._may_have_parameters(group)]
            return Refs(allowed, len(groups))

    def holders(self, ref: int, start: int, limit: int) -> list[tuple[int, Key]]:
        """Return at most so many objects, each with its number, from a number on: the newest objects have the highest ones.

        Others may be among them, since half of each digest is compared.
        """
        with self._lock:
            return [(number, self._keys[number]) for number in self._names.of(ref, start, limit)]

    def has_parameter(self, key: Key, place: str, name: str) -> bool:
        """Whether an object declares or reports a parameter of a place; `holders` may find others, too."""
        with self._lock:
            entry = self._entries.get(key)
            return entry is not None and entry.region == place and entry.has(fingerprint(name))

    def named_in(self, key: Key, signal: Signal) -> tuple[str, ...]:
        """Return the names of an object's resources in an event, as `of`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.is_elsewhere(signal.target):
                return ()
            place = in_target(signal.target.name) if signal.target else signal.region
            found = [name for identifier, name in entry.resources if identifier in signal.resources]
            resources = found if entry.region == place or (place == EVERYWHERE and not entry.target) else ()
            may_have = entry.region == place and self._may_have_parameters(Group.of(key, entry))
            parameters = (name for name in signal.parameters if entry.has(fingerprint(name))) if may_have else ()
            return (*parameters, *resources)

    def digests(self, key: Key) -> frozenset[int]:
        """Return the digests of all names of an object in events."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return frozenset()
            return frozenset((*entry.names, *entry.identifiers))

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
            declares = entry.region == region and entry.declares(fingerprint(name))
            return entry.is_deleting or not declares

    def _region_of(self, document: Mapping[str, Any], previous: PreviousStatus) -> str:
        recorded = previous.place.region if previous.place else ""
        return region_of(document) or recorded or self._default_region

    def _may_write(self, key: Key, entry: Entry) -> bool:
        """Whether the namespace of an object may have parameters at its path and in its region, as far as is known."""
        return self._tenant(key.namespace, entry.target).may_write_parameters(entry.path, entry.needed_region)

    def _tenant(self, namespace: str, target: str) -> Tenant:
        return self._tenant_in(namespace, target) if target else self._tenant_of(namespace)

    def _receives(self, wanted: int, target: Target | None, key: Key) -> bool:
        """Whether an object declares a parameter, by its digest, of a target."""
        entry = self._entries[key]
        return entry.declares(wanted) and not entry.is_elsewhere(target)

    def _at(self, region: str, path: str) -> Iterator[Group]:
        """Yield the groups of objects with a path, except those of namespaces that may not have parameters there and never could.

        However many they are, such objects cost others nothing.
        """
        groups = (group for needed in self._needed_in(region) for group in self._groups.of((region, path, needed)))
        return filter(self._may_have_parameters, groups)

    def _needed_in(self, place: str) -> tuple[str, ...]:
        """Return the regions of objects that may have parameters in a place.

        In a target, objects with another region than its own never may, so that invented regions cost others nothing. All
        objects that had parameters there are among those with an empty region.
        """
        target = target_in(place)
        region = self._region_in(target) if target else ""
        return ("", region) if region else ("",)

    def _may_have_parameters(self, group: Group) -> bool:
        tenant = self._tenant(group.namespace, group.target)
        return group.had_parameters or tenant.may_have_parameters(group.path, group.needed_region)

    def _naming(self, group: Group, digest: int) -> Iterator[Key]:
        """Yield the objects of a group that declare or report a parameter, by its digest, in the order in which they were known.

        The index may find others, since it compares half of each digest.
        """
        ref = self._marks[group] ^ digest
        for number in merge(self._numbers_of(ref), self._numbers_of(ref ^ AWAITED)):
            key = self._keys[number]
            entry = self._entries[key]
            if entry.has(digest) and Group.of(key, entry) == group:
                yield key

    def _numbers_of(self, ref: int) -> Iterator[int]:
        start: int | None = 0
        while start is not None:
            some = self._names.of(ref, start, MAX_RECEIVING)
            yield from some
            start = some[-1] + 1 if len(some) == MAX_RECEIVING else None

    def _below(self, region: str, name: str) -> Iterator[tuple[Group, Iterator[Key]]]:
        """Yield the groups whose path contains the name, as `_at`, each with the objects that declare or report it."""
        digest = fingerprint(name)
        for group in self._groups_below(region, name):
            # Most names of events are declared by no one; that is known before rights are.
            if any(map(self._has_ref, _refs_of(self._marks[group], digest))) and self._may_have_parameters(group):
                yield group, self._naming(group, digest)

    def _has_ref(self, ref: int) -> bool:
        return bool(self._names.of(ref, limit=1))

    def _groups_below(self, region: str, name: str) -> Iterator[Group]:
        end, regions = name.rfind("/"), self._needed_in(region)
        # No declared path has more levels, so a name of only slashes is not more expensive.
        for _level in range(MAX_LEVELS):
            if end <= 0:
                return
            for needed in regions:
                yield from self._groups.of((region, name[:end], needed))
            end = name.rfind("/", 0, end)

    def _entry(self, document: Mapping[str, Any]) -> Entry:
        spec, previous = spec_of(document), PreviousStatus.of_object(document)
        target = self.target(document)
        path = str(spec.get("path", ""))
        declared = {f"{path}/{name}" for name in listed_names(spec.get("parameters"))}
        reported = previous.versions.keys() - declared
        resources = {pair for item in previous.resources for pair in _identifiers(item)}
        region = in_target(target) if target else self._region_of(document, previous)
        needed = (region_of(document) or "") if target else ("" if region == self._default_region else region)
        return Entry(
            uid=str((document.get("metadata") or {}).get("uid") or ""),
            region=region,
            target=target,
            needed_region=needed,
            path=path,
            awaited=fingerprints(declared - previous.versions.keys()),
            written=fingerprints(declared & previous.versions.keys()),
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


def _refs_of(mark: int, digest: int) -> tuple[int, int]:
    """Return what finds the objects of a group that have a parameter: first those whose status has it."""
    return mark ^ digest, mark ^ digest ^ AWAITED


def _indexed(key: Key, entry: Entry) -> tuple[Group, Fingerprints, Fingerprints, Fingerprints]:
    return Group.of(key, entry), entry.awaited, entry.written, entry.reported


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

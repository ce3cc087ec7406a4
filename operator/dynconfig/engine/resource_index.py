"""Which objects a signal concerns, and which take over a parameter: by the names that objects declare and report. Pure."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.api.parameter import MAX_LEVELS
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.engine.declaration import Successor
from dynconfig.engine.declare import was_observed
from dynconfig.engine.fingerprint import Fingerprints, contains, fingerprint, fingerprints
from dynconfig.engine.resource import Owner
from dynconfig.engine.signals import EVERYWHERE, Signal, without_arn
from dynconfig.engine.stored import is_suspended, listed_names, region_of, spec_of, status_of
from dynconfig.engine.tenancy import Tenant, TenantOf
from dynconfig.engine.work_queue import Key


@dataclass(frozen=True, slots=True)
class _Entry:
    uid: str
    region: str
    path: str
    declared: Fingerprints
    """Digests of full names. Two names of one digest may wake an object in vain, or leave a parameter in AWS."""
    reported: Fingerprints
    """Digests of the full names of parameters that are not declared any more, or not yet."""
    adopts: bool
    """Whether it takes over what has no owner; an object that is being deleted takes over nothing."""
    going: bool
    """It is being deleted."""
    suspended: bool
    is_held: bool
    """It has the finalizer, so that its deletion is seen."""
    was_reported: bool
    """Its status says something."""
    was_served: bool
    """AWS was looked at for it, so that its namespace was granted its path, which cannot be changed."""
    resources: tuple[tuple[str, str], ...]
    """What an event may call a resource, its name or the end of its ARN, and its name. The status limits both."""


class ResourceIndex:
    """The entries of all objects: some hundred bytes each, and eight for each parameter. Safe for many threads."""

    def __init__(self, default_region: str, tenant_of: TenantOf = Tenant) -> None:
        self._default_region = default_region
        self._tenant_of = tenant_of
        self._lock = threading.RLock()
        self._entries: dict[Key, _Entry] = {}
        self._paths: dict[tuple[str, str], set[Key]] = {}
        self._resources: dict[str, set[tuple[Key, str]]] = {}
        self._leaving: set[Key] = set()
        """Objects that report parameters which they do not declare: they are few."""

    def note(self, key: Key, document: Mapping[str, Any]) -> str:
        """Note what an object declares and reports now; answers its region."""
        entry = self._entry(document)
        with self._lock:
            if self._entries.get(key) == entry:
                return entry.region
            self.forget(key)
            self._entries[key] = entry
            if entry.reported:
                self._leaving.add(key)
            self._paths.setdefault((entry.region, entry.path), set()).add(key)
            for called, name in entry.resources:
                self._resources.setdefault(called, set()).add((key, name))
        return entry.region

    def forget(self, key: Key) -> None:
        """The object is gone, or is about to be noted anew."""
        with self._lock:
            entry = self._entries.pop(key, None)
            self._leaving.discard(key)
            if entry is None:
                return
            _discard(self._paths, (entry.region, entry.path), key)
            for called, name in entry.resources:
                _discard(self._resources, called, (key, name))

    def of(self, signal: Signal) -> dict[Key, tuple[str, ...]]:
        """The objects that a signal concerns, each with the names of its own that the signal speaks of."""
        found: dict[Key, tuple[str, ...]] = {}
        for name in signal.parameters:
            for key in self.naming(signal.region, name):
                found[key] = (*found.get(key, ()), name)
        for called in signal.resources:
            for key, name in sorted(self._resources.get(called, ())):
                if signal.region in (EVERYWHERE, self._entries[key].region):
                    found[key] = (*found.get(key, ()), name)
        return found

    def naming(self, region: str, name: str) -> tuple[Key, ...]:
        """The objects that declare or report a parameter of this full name."""
        with self._lock:
            wanted = fingerprint(name)
            found = self._below(region, name)
            return tuple(key for key, of in found if contains(of.declared, wanted) or contains(of.reported, wanted))

    def successor(self, giver: Owner, region: str, name: str) -> Successor | None:
        """The object that takes over a parameter which the giver gives up: it declares the full name and may adopt it.

        A suspended or invalid object counts, too: what an object declares is not deleted. For the same reason an object counts
        that was served and whose namespace was denied the path since, and one of which it is not known whether it may use the
        path: the parameter is left for these without an owner. An object whose namespace was never granted the path does not
        count: it cannot keep others from deleting their parameters.
        """
        with self._lock:
            wanted = fingerprint(name)
            found = [other for other, of in self._below(region, name) if of.adopts and contains(of.declared, wanted)]
            others = [other for other in found if other != Key(giver.namespace, giver.name) and self._may_have(other)]
            heir = min(others, key=lambda other: (not self._may_use(other), other), default=None)
            if heir is None:
                return None
            entry = self._entries[heir]
            owner = Owner(giver.cluster, heir.namespace, heir.name, entry.uid)
            # What was reported on and has no finalizer cannot be given one.
            may_own = self._may_use(heir) and (entry.is_held or not entry.was_reported)
            return Successor(owner, may_own=may_own, is_held=entry.is_held)

    def givers(self, key: Key) -> tuple[Key, ...]:
        """The objects that report a parameter which they no longer declare, and which this one does."""
        with self._lock:
            own = self._entries[key]
            declared = frozenset(own.declared)
            others = ((other, self._entries[other]) for other in sorted(self._leaving - {key}))
            return tuple(
                other for other, of in others if of.region == own.region and not declared.isdisjoint(of.reported)
            )

    def gives_up(self, key: Key, region: str, name: str) -> bool:
        """Whether an object is about to give up a parameter: it is there, and is being deleted or does not declare it."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.suspended:
                return False
            declares = entry.region == region and contains(entry.declared, fingerprint(name))
            return entry.going or not declares

    def _may_use(self, key: Key) -> bool:
        return self._tenant_of(key.namespace).may_use_path(self._entries[key].path)

    def _may_have(self, key: Key) -> bool:
        entry = self._entries[key]
        return entry.was_served or self._tenant_of(key.namespace).may_have_path(entry.path)

    def _below(self, region: str, name: str) -> Iterator[tuple[Key, _Entry]]:
        """The objects whose path the name is below."""
        end = name.rfind("/")
        # No path that is declared has more levels, so that a name of nothing but slashes costs no more than others.
        for _level in range(MAX_LEVELS):
            if end <= 0:
                return
            for key in self._paths.get((region, name[:end]), ()):
                yield key, self._entries[key]
            end = name.rfind("/", 0, end)

    def _entry(self, document: Mapping[str, Any]) -> _Entry:
        spec, status = spec_of(document), status_of(document)
        path = str(spec.get("path", ""))
        declared = {f"{path}/{name}" for name in listed_names(spec.get("parameters"))}
        reported = set(listed_names(status.get("parameters"))) - declared
        resources = {pair for item in status.get("resources") or () for pair in _callings(item)}
        return _Entry(
            uid=str((document.get("metadata") or {}).get("uid") or ""),
            region=region_of(document) or self._default_region,
            path=path,
            declared=fingerprints(declared),
            reported=fingerprints(reported),
            adopts=adopts(document),
            going=_is_going(document),
            suspended=is_suspended(document),
            is_held=names.FINALIZER in ((document.get("metadata") or {}).get("finalizers") or ()),
            was_reported=status.get("observedGeneration", names.UNSEEN) != names.UNSEEN,
            was_served=was_observed(document),
            resources=tuple(sorted(resources)),
        )


def adopts(document: Mapping[str, Any]) -> bool:
    """Whether an object takes over what has no owner, or is handed over to it."""
    return spec_of(document).get("adoptionPolicy") == AdoptionPolicy.IF_UNOWNED and not _is_going(document)


def _is_going(document: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in (document.get("metadata") or {})


def _callings(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """API Gateway knows its APIs by an id only, which is in the ARN."""
    name, arn = str(resource["name"]), str(resource.get("arn") or "")
    yield name, name
    if arn:
        yield without_arn(arn), name


def _discard(index: dict[Any, set[Any]], name: Any, entry: Any) -> None:
    index[name].discard(entry)
    if not index[name]:
        del index[name]

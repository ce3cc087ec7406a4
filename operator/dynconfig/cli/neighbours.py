"""The other objects that affect a plan: a parameter that one of them releases may be adopted by another. Pure."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from dynconfig.events.resource_index import ResourceIndex, TargetTenants
from dynconfig.model.declaration import Place, SuccessorOf
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner
from dynconfig.model.stored import listed_names, spec_of
from dynconfig.validation.tenancy import TenantOf

Documents = Iterable[Mapping[str, Any]]


class Neighbours:
    """The objects in files and, for the rest, those in the cluster, which are read on first use."""

    def __init__(
        self,
        files: Documents,
        rest: Callable[[], Documents],
        default_region: str,
        tenant_of: TenantOf,
        targets: TargetTenants,
        *,
        gone: Iterable[Key] = (),
    ) -> None:
        self._files = {key_of(document): document for document in files}
        self._rest = rest
        self._default_region = default_region
        self._tenant_of = tenant_of
        self._targets = targets
        self._gone = frozenset(gone)

    def successor_of(self, owner: Owner, place: Place) -> SuccessorOf:
        """Return a function that finds the successor for a parameter that an object releases."""

        return lambda name: self._index.successor(owner, place.key, name, target=place.target)

    def gives_up(self, owner: str, name: str) -> bool:
        """Whether the owner of a parameter (NAMESPACE/NAME) is in the files and does not declare it there."""
        key = Key(*owner.split("/"))
        document = self._files.get(key)
        if document is None or key in self._gone:
            return document is not None
        spec = spec_of(document)
        return all(f"{spec.get('path')}/{each}" != name for each in listed_names(spec.get("parameters")))

    @cached_property
    def _index(self) -> ResourceIndex:
        found = ResourceIndex(self._default_region, self._tenant_of, self._targets)
        known = {**{key_of(document): document for document in self._rest()}, **self._files}
        for key, document in known.items():
            if key not in self._gone:
                found.update(key, document)
        return found


def key_of(document: Mapping[str, Any]) -> Key:
    """Return the key of an object."""
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])

"""Which objects a signal concerns: by the names that objects declare and report. Pure."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.engine.agenda import Key
from dynconfig.engine.signals import EVERYWHERE, Signal, without_arn
from dynconfig.engine.stored import listed_names, region_of, spec_of, status_of


@dataclass(frozen=True, slots=True)
class _Address:
    region: str
    path: str
    parameters: tuple[str, ...]
    """Names below the path. Those of many objects are alike, and are kept once."""
    resources: tuple[tuple[str, str], ...]
    """What an event may call a resource, its name or the end of its ARN, and its name."""


class Addressees:
    """The addresses of all objects: some hundred bytes each."""

    def __init__(self, default_region: str) -> None:
        self._default_region = default_region
        self._addresses: dict[Key, _Address] = {}
        self._paths: dict[tuple[str, str], set[Key]] = {}
        self._resources: dict[str, set[tuple[Key, str]]] = {}

    def note(self, key: Key, document: Mapping[str, Any]) -> str:
        """Note what an object declares and reports now; answers its region."""
        address = self._address(document)
        if self._addresses.get(key) == address:
            return address.region
        self.forget(key)
        self._addresses[key] = address
        self._paths.setdefault((address.region, address.path), set()).add(key)
        for called, name in address.resources:
            self._resources.setdefault(called, set()).add((key, name))
        return address.region

    def forget(self, key: Key) -> None:
        """The object is gone, or is about to be noted anew."""
        address = self._addresses.pop(key, None)
        if address is None:
            return
        _discard(self._paths, (address.region, address.path), key)
        for called, name in address.resources:
            _discard(self._resources, called, (key, name))

    def of(self, signal: Signal) -> dict[Key, tuple[str, ...]]:
        """The objects that a signal concerns, each with the names of its own that the signal speaks of."""
        found: dict[Key, tuple[str, ...]] = {}
        for name in signal.parameters:
            for key in self._declaring(signal.region, name):
                found[key] = (*found.get(key, ()), name)
        for called in signal.resources:
            for key, name in sorted(self._resources.get(called, ())):
                if signal.region in (EVERYWHERE, self._addresses[key].region):
                    found[key] = (*found.get(key, ()), name)
        return found

    def _declaring(self, region: str, name: str) -> Iterator[Key]:
        end = name.rfind("/")
        while end > 0:
            for key in self._paths.get((region, name[:end]), ()):
                if name[end + 1 :] in self._addresses[key].parameters:
                    yield key
            end = name.rfind("/", 0, end)

    def _address(self, document: Mapping[str, Any]) -> _Address:
        spec, status = spec_of(document), status_of(document)
        path = str(spec.get("path", ""))
        declared = listed_names(spec.get("parameters"))
        reported = (name.removeprefix(f"{path}/") for name in listed_names(status.get("parameters")))
        resources = {pair for item in status.get("resources") or () for pair in _callings(item)}
        return _Address(
            region=region_of(document) or self._default_region,
            path=path,
            parameters=tuple(sys.intern(name) for name in sorted({*declared, *reported})),
            resources=tuple(sorted(resources)),
        )


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

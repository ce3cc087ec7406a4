"""The memory that the operator keeps per object does not grow with the length of its texts."""

import asyncio
import gc
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.controller_harness import KEY, configured, running_controller

from dynconfig.api import names
from dynconfig.kube.client import Kube
from dynconfig.kube.controller import Controller
from dynconfig.validation.tenancy import Tenant

COUNT = 200
SHORT, LONG = 8, 200
# Paths, up to some hundred cached messages, and the variation in the size of a map with the same entries.
TOLERATED_BYTES = 6_000
OTHERS = "arn:other"


@dataclass(frozen=True)
class Case:
    """An object with texts of some length, and its final state."""

    reason: str
    about: Mapping[str, Any] = field(default_factory=dict)
    annotation: str = ""
    allowed: tuple[str, ...] = ("/",)
    values: bool = True
    taken: bool = False
    refused: bool = False
    sources: bool = False


def kept_bytes(root: object) -> int:
    """The size of all data reachable from an object of the operator, without the API server and AWS of the test."""
    seen, left, total = set[int](), [root], 0
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        left += _parts(item)
    return total


def _parts(item: object) -> Iterator[object]:
    is_own = type(item).__module__.startswith("dynconfig") and not isinstance(item, Kube | type)
    is_plain = type(item).__module__ in ("builtins", "collections") and hasattr(item, "__iter__")
    if is_own or is_plain:
        yield from (part for part in gc.get_referents(item) if not isinstance(part, type))


def name_of(index: int, length: int) -> str:
    """A parameter name of this length."""
    return f"{index:04}".ljust(length, "x")


def kept_of(case: Case, length: int) -> int:
    """Return the bytes that a controller keeps per object after a reconcile."""

    async def act() -> int:
        allowed = Tenant(KEY.namespace, paths=case.allowed) if case.allowed != ("/",) else Tenant(KEY.namespace)
        async with running_controller(tenant_of=lambda _namespace: allowed) as found:
            listed = {name_of(index, length): "1" for index in range(COUNT)} if case.values else {"a": "1"}
            annotations = {case.annotation: "x" * length * COUNT} if case.annotation else {}
            wanted = configured(listed, annotations=annotations, **case.about)
            if case.sources:
                wanted["spec"]["parameters"] = [
                    {"name": f"p{index}", "valueFrom": {"secretKeyRef": {"name": name_of(index, length), "key": "k"}}}
                    for index in range(COUNT)
                ]
            if case.taken:
                for name in listed:
                    found.fake.by_hand(f"/app/{name}", owner=OTHERS)
            served = list[str]()

            async def refuse(request: web.Request) -> web.Response | None:
                is_write = request.method == "PATCH"
                served.append(request.method)
                return status(403, "x" * length * COUNT) if is_write and case.refused else None

            found.server.before = refuse
            found.applied(wanted)
            if case.refused:
                await found.server.until(lambda: served.count("PATCH") > 1)
            else:
                await found.server.until(lambda: found.reason == case.reason)
        # All reconciles have finished.
        return kept_bytes(kept(found.controller))

    return asyncio.run(act())


def kept(controller: Controller) -> dict[str, object]:
    """Return the state of a controller and of its engine, without other dependencies."""
    found = dict(vars(controller))
    dependencies = found.pop("_deps")
    return {**found, "engine": dependencies.engine, "metrics": dependencies.metrics}


CASES = {
    **{
        name.rpartition("/")[2]: Case("InSync", annotation=name, values=False)
        for name in (names.ABANDON, names.APPROVE_GENERATION, names.FORCE_GENERATION, names.RECONCILE_REQUESTED_AT)
    },
    "names, denied": Case("PathNotAllowed", allowed=("/other",)),
    "names, invalid": Case("InvalidSpec", {"region": "zz-nowhere-1"}),
    "names, suspended": Case("Suspended", {"suspend": True}),
    "names, owned by another": Case("NotOwned", taken=True),
    "references": Case("SourceMissing", sources=True),
    "refusals": Case("", values=False, refused=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_memory_per_object_does_not_grow_with_the_length_of_its_texts(case: Case) -> None:
    assert kept_of(case, LONG) - kept_of(case, SHORT) < TOLERATED_BYTES

"""One control plane, one emulated AWS and one operator for all end-to-end tests; each has its own namespace and path."""

import itertools
from collections.abc import Iterator

import httpx2
import pytest
from rich.console import Console
from tests.e2e.world import World
from tests.security.installation import denied

from dynconfig_lab.aws import Faults
from dynconfig_lab.stack import Stack, stack

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def scene() -> Iterator[Stack]:
    with stack(Console(stderr=True), {"DYNCONFIG_LOG_LEVEL": "debug"}) as found:
        yield found
        # The operator runs with the RBAC rules and limits of manifests/install, which were sufficient for all tests.
        assert denied(found.plane.operator_requests()) == []


@pytest.fixture(scope="session")
def http(scene: Stack) -> Iterator[httpx2.Client]:
    with scene.http() as client:
        yield client


@pytest.fixture
def world(scene: Stack, http: httpx2.Client) -> Iterator[World]:
    name = f"team-{next(_numbers)}"
    http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    yield World(scene, http, name, f"/{name}/app")
    scene.lab.faults(Faults())

"""A real Argo CD, a git repository with the example environments, and the objects of manifests/argocd."""

from collections.abc import Iterator

import httpx2
import pytest
from rich.console import Console
from tests.gitops.live.shop import Shop

from dynconfig_lab.argocd import argocd
from dynconfig_lab.aws import Faults
from dynconfig_lab.stack import stack


@pytest.fixture(scope="session")
def whole_shop() -> Iterator[Shop]:
    console = Console(stderr=True)
    with (
        stack(console, {"DYNCONFIG_LOG_LEVEL": "debug"}) as scene,
        argocd(scene, console) as logs,
        scene.http() as http,
    ):
        found = Shop(scene, http, logs)
        found.open()
        yield found


@pytest.fixture
def shop(whole_shop: Shop) -> Iterator[Shop]:
    """The shop, with every environment as in the first commit."""
    yield whole_shop
    whole_shop.stack.lab.faults(Faults())
    whole_shop.restore()


@pytest.fixture
def http(whole_shop: Shop) -> httpx2.Client:
    return whole_shop.http

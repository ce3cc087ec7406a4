"""One control plane for the tests of installation and upgrade; each starts and ends without the CRD."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from tests.e2e.world import World
from tests.upgrade.cluster import NAME, ROOT, Cluster

from dynconfig_lab import binaries, tools
from dynconfig_lab.controlplane import ControlPlane
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import CommandFailed, Stack, stack

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane.start(tmp_path_factory.mktemp("plane")) as found:
        yield found


@pytest.fixture
def cluster(plane: ControlPlane, tmp_path: Path) -> Iterator[Cluster]:
    # Caches of kubectl and Helm, which outlive a CRD, are in the test's folder.
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    found = Cluster(binaries.kubectl(Console(stderr=True)), plane.kubeconfig, environment)
    yield found
    found.remove_crd()


@pytest.fixture(scope="session")
def scene() -> Iterator[Stack]:
    with stack(Console(stderr=True), {"DYNCONFIG_LOG_LEVEL": "debug"}) as found:
        yield found


@pytest.fixture
def installed(scene: Stack) -> Iterator[World]:
    """All of manifests/install with a running operator, restored after the previous test; a namespace for a test."""
    _install(scene)
    _wait_protected(scene)
    scene.operator.restart("operator")
    with scene.http() as http:
        name = f"upgrade-{next(_numbers)}"
        http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
        yield World(scene, http, name, f"/{name}/app")
        _install(scene)
        for item in scene.document("dcfg", "-A")["items"]:
            place = ("-n", item["metadata"]["namespace"], item["metadata"]["name"])
            scene.kubectl("delete", "dcfg", *place, "--timeout=60s")


def _install(scene: Stack) -> None:
    """Apply all of it, once pending deletions have finished."""

    def is_installed() -> bool:
        try:
            scene.kubectl("apply", "-k", str(ROOT / "manifests" / "install"))
            scene.kubectl("get", "dcfg", "-A")
        except CommandFailed:
            return False
        installed = (scene.document("namespace", "dynconfig-system"), scene.document("crd", NAME))
        return not any("deletionTimestamp" in item["metadata"] for item in installed)

    assert wait_until(is_installed, 60), "the installation is not there after 60 s"


def _wait_protected(scene: Stack) -> None:
    """Wait until a policy is enforced, which takes some time after it was applied."""

    def is_refused() -> bool:
        try:
            scene.kubectl("delete", "crd", NAME, "--dry-run=server")
        except CommandFailed as error:
            return "keep-dynamicconfigs" in str(error)
        return False

    assert wait_until(is_refused, 30), "the definition is not protected after 30 s"


@pytest.fixture(scope="session")
def helm() -> Path:
    return tools.helm(Console(stderr=True))

"""The whole installation, by kustomize and by Helm: installed, installed again, upgraded, taken out and installed anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.upgrade.cluster import NAME, PREVIOUS, ROOT, Cluster

from dynconfig.api import names

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.e2e, pytest.mark.tools]

INSTALL = ("-k", str(ROOT / "manifests" / "install"))
CHART = str(ROOT / "charts" / "dynconfig-operator")
POLICY = ROOT / "manifests" / "examples" / "tenants" / "policy.yaml"
SPACE = "dynconfig-system"
ALLOW = ("annotate", "--overwrite", "crd", NAME, f"{names.ALLOW_DELETION}=true")
SERVER_SIDE = ("apply", "--server-side", "--force-conflicts")
WAYS = {
    "apply": ("apply",),
    "server-side": SERVER_SIDE,
    "argocd": (*SERVER_SIDE, "--field-manager=argocd-controller"),
    "flux": (*SERVER_SIDE, "--field-manager=kustomize-controller"),
}


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> Iterator[None]:
    """Nothing is left of an installation."""
    yield
    if cluster.has("crd", NAME):
        cluster.kubectl(*ALLOW)
    cluster.kubectl("delete", "--ignore-not-found", *INSTALL)


@pytest.fixture
def release(helm: Path, cluster: Cluster) -> "Release":
    return Release(helm, cluster)


class Release:
    """Helm, and the release that it installs."""

    def __init__(self, helm: Path, cluster: Cluster) -> None:
        self._helm = str(helm)
        self._cluster = cluster

    def __call__(self, *arguments: str) -> str:
        result = self.tried(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def tried(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self._cluster.run(self._helm, *arguments, "--namespace", SPACE)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_installed_twice_and_anew(cluster: Cluster, way: str) -> None:
    for _ in range(2):
        cluster.kubectl(*WAYS[way], *INSTALL)
    cluster.wait_served()
    cluster.kubectl(*ALLOW)
    cluster.kubectl("delete", *INSTALL)
    cluster.kubectl(*WAYS[way], *INSTALL)
    cluster.wait_served()


@pytest.mark.parametrize("way", WAYS)
def test_an_upgrade_leaves_the_policy_as_its_author_wrote_it(cluster: Cluster, way: str) -> None:
    cluster.kubectl(*WAYS[way], *INSTALL)
    written = yaml.safe_load(POLICY.read_text())
    assert not cluster.has("configmap", written["metadata"]["name"], "-n", SPACE)
    cluster.kubectl("apply", "-f", str(POLICY))
    cluster.kubectl(*WAYS[way], *INSTALL)
    found = cluster.document("configmap", written["metadata"]["name"], "-n", SPACE)
    assert found["data"] == written["data"]


def test_a_chart_is_installed_upgraded_and_installed_anew(cluster: Cluster, release: Release) -> None:
    release("install", "dynconfig-operator", CHART, "--create-namespace")
    cluster.wait_served()
    release("upgrade", "dynconfig-operator", CHART, "--set", "region=eu-west-1")
    release("upgrade", "dynconfig-operator", CHART)
    release("uninstall", "dynconfig-operator")
    assert cluster.has("crd", NAME)
    assert cluster.has("validatingadmissionpolicy", f"keep-{NAME}")
    release("install", "dynconfig-operator", CHART)
    assert "another" in release.tried("install", "another", CHART).stderr


def test_a_chart_takes_over_and_upgrades_a_definition_that_kubectl_installed(
    cluster: Cluster, release: Release
) -> None:
    cluster.kubectl("apply", "-f", str(PREVIOUS / "crd.yaml"))
    release(
        "upgrade",
        "--install",
        "--take-ownership",
        "--force-conflicts",
        "dynconfig-operator",
        CHART,
        "--create-namespace",
    )
    found = cluster.document("crd", NAME)
    assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "null" not in cluster.kubectl("get", "crd", NAME, "-o", "jsonpath={.spec}")

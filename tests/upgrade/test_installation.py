"""The whole installation by kustomize and Helm: installed, installed again, upgraded, removed and installed anew."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.upgrade.cluster import CRD, NAME, PREVIOUS, ROOT, TARGETS, Cluster

from dynconfig.api import names
from dynconfig_lab.processes import wait_until

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.e2e, pytest.mark.tools]

INSTALL = ("-k", str(ROOT / "manifests" / "install"))
CHART = str(ROOT / "charts" / "dynconfig-operator")
POLICY = ROOT / "manifests" / "examples" / "tenants" / "policy.yaml"
SPACE = "dynconfig-system"
ALLOW = ("annotate", "--overwrite", "crd", NAME, TARGETS, f"{names.ALLOW_DELETION}=true")
SERVER_SIDE = ("apply", "--server-side", "--force-conflicts")
WAYS = {
    "apply": ("apply",),
    "server-side": SERVER_SIDE,
    "argocd": (*SERVER_SIDE, "--field-manager=argocd-controller"),
    "flux": (*SERVER_SIDE, "--field-manager=kustomize-controller"),
}


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> Iterator[None]:
    """Nothing of an installation is left."""
    yield
    for definition in (NAME, TARGETS):
        if cluster.has("crd", definition):
            cluster.kubectl("annotate", "--overwrite", "crd", definition, ALLOW[-1])
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
def test_installation_can_be_repeated_and_recreated(cluster: Cluster, way: str) -> None:
    for _ in range(2):
        cluster.kubectl(*WAYS[way], *INSTALL)
    cluster.wait_served()
    cluster.kubectl(*ALLOW)
    cluster.kubectl("delete", *INSTALL)
    cluster.kubectl(*WAYS[way], *INSTALL)
    cluster.wait_served()


def test_second_apply_changes_nothing(cluster: Cluster) -> None:
    cluster.kubectl("apply", *INSTALL)
    cluster.wait_served()
    again = cluster.kubectl("apply", *INSTALL).splitlines()
    assert again
    # The selector of a PodDisruptionBudget has the patch strategy replace, so kubectl sends it again each time.
    # https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.35/#poddisruptionbudgetspec-v1-policy
    changed = [line for line in again if not line.endswith(" unchanged")]
    assert changed in ([], ["poddisruptionbudget.policy/dynconfig-operator configured"])
    assert cluster.document("poddisruptionbudget", "dynconfig-operator", "-n", SPACE)["metadata"]["generation"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_upgrade_keeps_the_policy_of_the_user(cluster: Cluster, way: str) -> None:
    cluster.kubectl(*WAYS[way], *INSTALL)
    written = yaml.safe_load(POLICY.read_text())
    assert not cluster.has("configmap", written["metadata"]["name"], "-n", SPACE)
    cluster.kubectl("apply", "-f", str(POLICY))
    cluster.kubectl(*WAYS[way], *INSTALL)
    found = cluster.document("configmap", written["metadata"]["name"], "-n", SPACE)
    assert found["data"] == written["data"]


def test_chart_is_installed_upgraded_and_installed_anew(cluster: Cluster, release: Release) -> None:
    assert "No namespace may use any path yet" in release("install", "dynconfig-operator", CHART, "--create-namespace")
    cluster.wait_served()
    single = release("upgrade", "dynconfig-operator", CHART, "--set", "region=eu-west-1", "--set", "tenancy=single")
    assert "No namespace" not in single
    release("upgrade", "dynconfig-operator", CHART)
    release("uninstall", "dynconfig-operator")
    assert cluster.has("crd", NAME)
    assert cluster.has("validatingadmissionpolicy", f"keep-{NAME}")
    release("install", "dynconfig-operator", CHART)
    assert "another" in release.tried("install", "another", CHART).stderr


def test_chart_adopts_and_upgrades_a_crd_installed_by_kubectl(cluster: Cluster, release: Release) -> None:
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


def test_downgrade_with_kubectl_prunes_fields_unknown_to_the_previous_release(cluster: Cluster) -> None:
    cluster.kubectl("apply", *INSTALL)
    with_new_field(cluster)
    # As README.md describes: sed '/: null$/d'.
    lines = (PREVIOUS / "crd.yaml").read_text().splitlines(keepends=True)
    cluster.kubectl("apply", "-f", "-", stdin="".join(line for line in lines if not line.endswith(": null\n")))
    wait_pruned(cluster)
    cluster.kubectl("apply", *INSTALL)


def test_downgrade_with_helm_prunes_fields_unknown_to_the_previous_release(
    cluster: Cluster, release: Release, tmp_path: Path
) -> None:
    previous = tmp_path / "previous"
    shutil.copytree(CHART, previous)
    # Server-side apply, the default of Helm 4, rejects the previous release's CRD: its defaults contain null.
    definition = yaml.safe_load(CRD.read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    parameter = spec["properties"]["parameters"]["items"]
    del parameter["properties"]["valueFrom"]["properties"]["secretKeyRef"]["properties"]["allowPlaintext"]
    rules = parameter["x-kubernetes-validations"]
    parameter["x-kubernetes-validations"] = [rule for rule in rules if "allowPlaintext" not in rule["rule"]]
    (previous / "files" / "crd.yaml").write_text(yaml.safe_dump(definition))
    release("install", "dynconfig-operator", str(previous), "--create-namespace")
    release("upgrade", "dynconfig-operator", CHART)
    with_new_field(cluster)
    release("rollback", "dynconfig-operator")
    wait_pruned(cluster)
    release("upgrade", "dynconfig-operator", CHART)
    release("uninstall", "dynconfig-operator")


def with_new_field(cluster: Cluster) -> None:
    """Create an object with a field that the previous CRD does not have."""
    cluster.wait_served()
    reference = {"name": "db", "key": "host", "allowPlaintext": True}
    parameter = {"name": "host", "type": "String", "valueFrom": {"secretKeyRef": reference}}
    document = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"path": "/app", "parameters": [parameter]},
    }
    # The previous CRD is served for a short time after the change.
    made = wait_until(lambda: _keeps(cluster, json.dumps(document)), 30)
    assert made, "the field is not kept after 30 s"


def _keeps(cluster: Cluster, text: str) -> bool:
    return cluster.tried("apply", "-f", "-", stdin=text).returncode == 0 and _has_new_field(cluster)


def wait_pruned(cluster: Cluster) -> None:
    assert wait_until(lambda: not _has_new_field(cluster), 30), "the field is not pruned after 30 s"


def _has_new_field(cluster: Cluster) -> bool:
    return "allowPlaintext" in str(cluster.document("dcfg", "app")["spec"])

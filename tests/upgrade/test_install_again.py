"""The CRD is accepted by every way of installing it, also a second time, and over that of the previous release."""

import pytest
import yaml
from tests.upgrade.cluster import CRD, NAME, PREVIOUS, Cluster

pytestmark = pytest.mark.e2e

FILE = ("-f", str(CRD))
AGAIN = {
    "apply": ("apply", *FILE),
    "server-side": ("apply", "--server-side", *FILE),
    # https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#server-side-apply
    "argocd": ("apply", "--server-side", "--field-manager=argocd-controller", "--force-conflicts", *FILE),
    # https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
    "flux": ("apply", "--server-side", "--field-manager=kustomize-controller", "--force-conflicts", *FILE),
    "replace": ("replace", *FILE),
}
FIRST = {"create": ("create", *FILE), **{name: command for name, command in AGAIN.items() if name != "replace"}}
# A field that another manager set to another value is overwritten only with force; replace and client-side apply always
# overwrite it.
OVER_PREVIOUS = {**AGAIN, "server-side": ("apply", "--server-side", "--force-conflicts", *FILE)}


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("first", FIRST)
def test_crd_can_be_applied_twice(cluster: Cluster, first: str, again: str) -> None:
    cluster.kubectl(*FIRST[first])
    cluster.kubectl(*AGAIN[again])
    cluster.kubectl(*AGAIN[again])
    cluster.wait_served()


def test_crd_equals_what_the_api_server_stores(cluster: Cluster) -> None:
    # A dropped or added field is a permanent difference for GitOps tools, and a conflict in server-side apply.
    cluster.kubectl(*FIRST["create"])
    wanted = yaml.safe_load(CRD.read_text())["spec"]
    stored = cluster.document("crd", NAME)["spec"]
    assert {key: stored[key] for key in wanted} == wanted


@pytest.mark.parametrize("way", OVER_PREVIOUS)
def test_crd_replaces_that_of_the_previous_release(cluster: Cluster, way: str) -> None:
    cluster.kubectl("apply", "-f", str(PREVIOUS / "crd.yaml"))
    cluster.wait_served()
    cluster.kubectl(*OVER_PREVIOUS[way])
    cluster.kubectl(*OVER_PREVIOUS[way])
    found = cluster.document("crd", NAME)
    assert found["spec"]["versions"][0]["schema"] == _schema_of_this_release(cluster)


def _schema_of_this_release(cluster: Cluster) -> object:
    cluster.remove_crd()
    cluster.kubectl("create", *FILE)
    return cluster.document("crd", NAME)["spec"]["versions"][0]["schema"]

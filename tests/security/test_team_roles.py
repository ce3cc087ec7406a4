"""Teams bound to view, edit or admin may do with DynamicConfigs what these names imply, and no one else anything."""

import json

import pytest
import yaml
from tests.gitops.conftest import Render, helm, render, rendered
from tests.upgrade.cluster import CRD, ROOT, Cluster

from dynconfig_lab.processes import wait_until

__all__ = ["helm", "render"]

pytestmark = [pytest.mark.e2e, pytest.mark.tools, pytest.mark.timeout(300)]

RBAC = ROOT / "manifests" / "install" / "rbac.yaml"
READS, WRITES = ("get", "list", "watch"), ("create", "update", "patch", "delete", "deletecollection")
AGGREGATION = "rbac.authorization.k8s.io/aggregate-to-"


def can(cluster: Cluster, role: str, verb: str, *more: str, place: str = "default") -> bool:
    asked = ("auth", "can-i", verb, "dynamicconfigs.dynconfig.dev", "-n", place, f"--as={role}-user", *more)
    return cluster.tried(*asked).stdout.strip() == "yes"


def is_aggregated(cluster: Cluster) -> bool:
    return can(cluster, "view", "get") and can(cluster, "edit", "create") and can(cluster, "admin", "create")


@pytest.fixture
def teams(cluster: Cluster) -> Cluster:
    """A user for each of the roles in the namespace default, and the shipped roles."""
    cluster.kubectl("apply", "-f", str(CRD))
    cluster.wait_served()
    cluster.kubectl("apply", "-f", str(ROOT / "manifests" / "install" / "namespace.yaml"))
    cluster.kubectl("apply", "-f", str(RBAC))
    for role in ("view", "edit", "admin"):
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"team-{role}", "namespace": "default"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": f"{role}-user", "apiGroup": "rbac.authorization.k8s.io"}],
        }
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(binding))
    assert wait_until(lambda: is_aggregated(cluster), 60), "the roles are not aggregated after 60 s"
    return cluster


def test_view_may_read_and_edit_may_write_in_their_namespace_only(teams: Cluster) -> None:
    assert all(can(teams, role, verb) for role in ("view", "edit", "admin") for verb in READS)
    assert all(can(teams, role, verb) for role in ("edit", "admin") for verb in WRITES)
    assert not any(can(teams, "view", verb) for verb in WRITES)
    assert not any(can(teams, role, "get", place="kube-system") for role in ("view", "edit", "admin"))
    assert not any(can(teams, "nobody", verb) for verb in (*READS, *WRITES))


def test_only_the_operator_writes_status(teams: Cluster) -> None:
    status, roles = "--subresource=status", ("view", "edit", "admin")
    assert all(can(teams, role, "get", status) for role in roles)
    assert not any(can(teams, role, verb, status) for role in roles for verb in ("update", "patch"))


def test_chart_ships_the_same_aggregation(render: Render) -> None:
    shipped = [item for item in yaml.safe_load_all(RBAC.read_text()) if item["metadata"].get("labels")]
    charted = {item["metadata"]["name"]: item for item in rendered(render({})) if item["kind"] == "ClusterRole"}
    assert {item["metadata"]["name"] for item in shipped} == {"dynconfig-view", "dynconfig-edit"}
    for item in shipped:
        labels = charted[item["metadata"]["name"]]["metadata"]["labels"]
        assert {key for key in labels if key.startswith(AGGREGATION)} == set(item["metadata"]["labels"])
        assert charted[item["metadata"]["name"]]["rules"] == item["rules"]

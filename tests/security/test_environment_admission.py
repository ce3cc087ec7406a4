"""The API server rejects reserved variables; an existing object with one can be edited and deleted."""

import json
from typing import Any

import pytest
from tests.upgrade.cluster import CRD, PREVIOUS, Cluster

from dynconfig.api import names
from dynconfig_lab.processes import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.tools, pytest.mark.timeout(300)]


def manifest(name: str, **environment: str) -> str:
    metadata = {"name": name, "namespace": "default", "finalizers": [names.FINALIZER]}
    spec = {"path": f"/{name}", "function": {"environment": environment}}
    return json.dumps({"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec})


def patch(cluster: Cluster, change: dict[str, Any], *more: str, refused: bool = False) -> str:
    verb = cluster.refused if refused else cluster.kubectl
    return verb("patch", "dcfg", "old", "--type=merge", "-p", json.dumps(change), *more)


@pytest.fixture
def upgraded(cluster: Cluster) -> Cluster:
    """The current CRD over an existing object with a variable that runs a program."""
    cluster.kubectl("apply", "-f", str(PREVIOUS / "crd.yaml"))
    cluster.wait_served()
    cluster.kubectl("apply", "-f", "-", stdin=manifest("old", BROWSER="sh -c id #%s", LOG_LEVEL="INFO"))
    cluster.kubectl("apply", "-f", str(CRD))
    new = ("apply", "--dry-run=server", "-f", "-")
    assert wait_until(lambda: cluster.tried(*new, stdin=manifest("new", BROWSER="sh")).returncode != 0, 30)
    return cluster


@pytest.mark.parametrize("name", ["PYTHONWARNINGS", "BROWSER", "https_proxy", "LD_PRELOAD", "Ssl_Cert_File", "PATH"])
def test_reserved_variable_is_denied_at_admission(upgraded: Cluster, name: str) -> None:
    error = upgraded.refused("apply", "--dry-run=server", "-f", "-", stdin=manifest("new", **{name: "x"}))
    assert "spec.function.environment: Invalid value: names in environment" in error


def test_existing_object_keeps_its_status_and_can_be_edited_elsewhere_and_deleted(upgraded: Cluster) -> None:
    patch(upgraded, {"status": {"observedGeneration": 1}}, "--subresource=status")
    patch(upgraded, {"metadata": {"annotations": {names.RECONCILE_REQUESTED_AT: "now"}}})
    patch(upgraded, {"spec": {"tags": {"team": "shop"}}})
    error = patch(upgraded, {"spec": {"function": {"environment": {"LOG_LEVEL": "DEBUG"}}}}, refused=True)
    assert "names in environment" in error
    upgraded.kubectl("delete", "dcfg", "old", "--wait=false")
    patch(upgraded, {"metadata": {"finalizers": None}})
    assert wait_until(lambda: not upgraded.has("dcfg", "old"), 30)

"""An object that no longer fits its CRD can be abandoned: what the real API server accepts and rejects."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.cli.shell import dynconfig
from tests.upgrade.cluster import CRD, Cluster, Document

from dynconfig.api import names
from dynconfig.kube.writer import Writer
from dynconfig.model.key import Key
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.e2e

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
PATH = "/default/app"
PARAMETERS: list[dict[str, Any]] = [{"name": "a", "value": "1"}]
ANNOTATION = json.dumps({"metadata": {"annotations": {names.ABANDON: "true"}}})
# Unchanged fields are not validated again, but CEL rules fail on a field of another type or a missing one.
# https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting
MISFITS: dict[str, tuple[dict[str, Any], bool]] = {
    "a-removed-enum-value": ({"path": PATH, "driftPolicy": "Fix", "parameters": PARAMETERS}, True),
    "a-type-of-a-scalar": ({"path": PATH, "suspend": "no", "parameters": PARAMETERS}, True),
    "a-type-in-a-list": ({"path": PATH, "parameters": [{"name": "a", "value": 7}]}, False),
    "a-list-that-is-none": ({"path": PATH, "parameters": "a=1"}, False),
    "without-what-is-required": ({"path": PATH, "parameters": [{"value": "1"}]}, False),
}
"""Specs of a former definition, and whether the API server takes an annotation on them."""


@pytest.fixture
def misfits(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with objects of a CRD that accepted any spec, under this release's CRD."""
    current: Document = yaml.safe_load(CRD.read_text())
    former = copy.deepcopy(current)
    for version in former["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"] = ANYTHING
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(former))
    cluster.wait_served()
    for name, (spec, _is_taken) in MISFITS.items():
        metadata = {"name": name, "namespace": "default", "finalizers": [names.FINALIZER]}
        document = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(document))
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    invalid = json.dumps({**document, "metadata": {"name": "probe", "namespace": "default"}})
    assert wait_until(
        lambda: cluster.tried("create", "--dry-run=server", "-f", "-", stdin=invalid).returncode != 0, 30
    ), "the definition is not in force"
    yield cluster
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(former))
    assert wait_until(lambda: cluster.tried("create", "--dry-run=server", "-f", "-", stdin=invalid).returncode == 0, 30)


@pytest.fixture
def writer(misfits: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    monkeypatch.setenv("KUBECONFIG", str(misfits.kubeconfig))
    found = Writer.from_environment()
    yield found
    found.close()


def annotated(cluster: Cluster, name: str) -> Document:
    found = cluster.document("dcfg", name)
    assert found["metadata"]["annotations"][names.ABANDON] == "true"
    return found


def test_api_server_accepts_and_rejects_these_changes(misfits: Cluster) -> None:
    taken = {
        name: misfits.tried("patch", "dcfg", name, "--type=merge", "-p", ANNOTATION).returncode == 0 for name in MISFITS
    }
    assert taken == {name: is_taken for name, (_spec, is_taken) in MISFITS.items()}


def test_each_object_can_be_abandoned_and_deleted(misfits: Cluster, writer: Writer) -> None:
    for name in MISFITS:
        result = dynconfig("abandon", "-n", "default", name, "--yes", KUBECONFIG=str(misfits.kubeconfig))
        assert result.code == 0, result.text
        document = annotated(misfits, name)
        assert document["spec"]["path"] == PATH
        assert "deletionTimestamp" in document["metadata"]
        writer.release(Key("default", name), document["metadata"]["uid"])
        assert wait_until(lambda name=name: not misfits.has("dcfg", name), 10)  # type: ignore[misc]


def test_annotating_an_object_never_lets_an_operator_delete_anything(misfits: Cluster, writer: Writer) -> None:
    writer.abandon(Key("default", "a-type-in-a-list"))
    spec = annotated(misfits, "a-type-in-a-list")["spec"]
    assert (spec["suspend"], spec["deletionPolicy"]) == (True, "Retain")
    writer.abandon(Key("default", "a-removed-enum-value"))
    kept = annotated(misfits, "a-removed-enum-value")["spec"]
    assert (kept["driftPolicy"], [item["name"] for item in kept["parameters"]]) == ("Fix", ["a"])

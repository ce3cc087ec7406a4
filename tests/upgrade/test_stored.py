"""Objects stored by the previous release are served under this CRD: read, changed, reported, deleted."""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from tests.upgrade.cluster import CRD, PREVIOUS, ROOT, Cluster, Document

from dynconfig.api.defaults import with_defaults
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Owner
from dynconfig.validation.declare import declare_deletion
from dynconfig_lab import binaries
from dynconfig_lab.controlplane import ControlPlane
from dynconfig_lab.processes import wait_until

STORED: list[Document] = list(yaml.safe_load_all((PREVIOUS / "stored.yaml").read_text()))
EXAMPLES = ROOT / "manifests" / "examples"
NO_LONGER_CREATED = {
    "default/dots": "spec.path in body should match",
    "default/plaintext": "set valueFrom.secretKeyRef.allowPlaintext: true",
}
"""Objects that this release rejects when they are new, and why; stored ones are still served."""


def title(item: Document) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


every = pytest.mark.parametrize("item", STORED, ids=title)


@pytest.fixture(scope="module")
def upgraded(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with the objects of the previous release, upgraded to this release's CRD."""
    home = tmp_path_factory.mktemp("home")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    cluster = Cluster(binaries.kubectl(Console(stderr=True)), plane.kubeconfig, environment)
    cluster.remove_crd()
    cluster.kubectl("apply", "-f", str(PREVIOUS / "crd.yaml"))
    cluster.wait_served()
    cluster.kubectl("create", "namespace", "shop")
    for item in STORED:
        store(cluster, item)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(with_probe()))
    assert wait_until(lambda: "PROBE" in cluster.kubectl("get", "dcfg", "-A"), 30), "the new definition is not served"
    yield cluster
    cluster.remove_crd()
    cluster.kubectl("delete", "namespace", "shop")


def with_probe() -> Document:
    """This release's CRD, with a printer column that shows that it is served."""
    found: Document = yaml.safe_load(CRD.read_text())
    column = {"name": "Probe", "type": "string", "jsonPath": ".metadata.name"}
    found["spec"]["versions"][0]["additionalPrinterColumns"].append(column)
    return found


def store(cluster: Cluster, item: Document) -> None:
    document = copy.deepcopy(item)
    status = document.pop("status")
    for field in ("uid", "generation"):
        del document["metadata"][field]
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(document))
    patch(cluster, item, {"status": status}, "--subresource=status")


def patch(cluster: Cluster, item: Document, change: Document, *more: str) -> Document:
    place = ("-n", item["metadata"]["namespace"], item["metadata"]["name"])
    found: Document = json.loads(
        cluster.kubectl("patch", "dcfg", *place, "--type=merge", "-p", json.dumps(change), "-o", "json", *more)
    )
    return found


def missing(before: Any, after: Any, path: str = "") -> list[str]:
    """What of a document is missing in another, which may contain more."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [text for key in before for text in missing(before[key], after.get(key), f"{path}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            text for i, pair in enumerate(zip(before, after, strict=True)) for text in missing(*pair, f"{path}[{i}]")
        ]
    return [] if before == after else [f"{path}: {before!r} is {after!r}"]


@pytest.mark.e2e
@every
def test_no_stored_field_is_lost(upgraded: Cluster, item: Document) -> None:
    found = upgraded.document("dcfg", "-n", item["metadata"]["namespace"], item["metadata"]["name"])
    assert missing(item["spec"], found["spec"]) == []
    assert missing(item["status"], found["status"]) == []


@pytest.mark.e2e
@every
def test_metadata_can_be_changed_so_that_the_finalizer_can_always_be_removed(upgraded: Cluster, item: Document) -> None:
    before = item["metadata"].get("finalizers", [])
    patch(upgraded, item, {"metadata": {"finalizers": None, "annotations": {"dynconfig.dev/abandon": "true"}}})
    assert patch(upgraded, item, {"metadata": {"finalizers": before}})


@pytest.mark.e2e
@every
def test_previous_operator_can_still_update_status(upgraded: Cluster, item: Document) -> None:
    status = {**item["status"], "observedGeneration": 7}
    found = patch(upgraded, item, {"status": status}, "--subresource=status")
    assert missing(status, found["status"]) == []


@pytest.mark.e2e
@every
def test_another_field_can_be_edited(upgraded: Cluster, item: Document) -> None:
    assert patch(upgraded, item, {"spec": {"resyncInterval": "1h"}})["spec"]["resyncInterval"] == "1h"


@pytest.mark.e2e
@every
def test_object_can_be_recreated(upgraded: Cluster, item: Document) -> None:
    metadata = {"name": "anew", "namespace": item["metadata"]["namespace"]}
    document = json.dumps({**{key: item[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata})
    result = upgraded.tried("create", "--dry-run=server", "-f", "-", stdin=document)
    assert (result.returncode != 0) is (title(item) in NO_LONGER_CREATED), result.stderr
    assert NO_LONGER_CREATED.get(title(item), "") in result.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_api_server_adds_the_defaults_used_to_compute_sizes(upgraded: Cluster, example: Path) -> None:
    documents = [item for item in yaml.safe_load_all(example.read_text()) if item["kind"] == "DynamicConfig"]
    assert documents
    for document in documents:
        metadata = {"name": "defaults", "namespace": "shop"}
        stdin = json.dumps({**document, "metadata": metadata})
        stored = json.loads(upgraded.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=stdin))
        assert with_defaults(document)["spec"] == stored["spec"]


@pytest.mark.e2e
def test_value_that_violates_a_new_rule_stays_and_other_fields_can_be_edited(upgraded: Cluster) -> None:
    (item,) = (item for item in STORED if title(item) == "default/plaintext")
    host, hosts, port = item["spec"]["parameters"]
    edited = {"spec": {"parameters": [host, hosts, {**port, "value": "5433"}]}}
    assert patch(upgraded, item, edited)["spec"]["parameters"][2]["value"] == "5433"
    place = ("-n", "default", "plaintext")
    changed = json.dumps({"spec": {"parameters": [{**host, "description": "x"}, hosts, port]}})
    error = upgraded.refused("patch", "dcfg", *place, "--type=merge", "-p", changed)
    assert "set valueFrom.secretKeyRef.allowPlaintext: true" in error


@every
def test_operator_parses_the_stored_status_and_can_delete_the_object(item: Document) -> None:
    metadata = item["metadata"]
    owner = Owner("cluster", metadata["namespace"], metadata["name"], metadata["uid"])
    declaration = declare_deletion(item, owner=owner, default_region="eu-west-1")
    assert declaration.deleting
    applied = PreviousStatus.of(item["status"]).or_none
    assert applied is not None
    assert {entry["name"] for entry in item["status"].get("parameters", ())} <= applied.versions.keys()

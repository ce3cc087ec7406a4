"""The operator's account may patch only its finalizer of a DynamicConfig, enforced by the shipped admission policy."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from tests.gitops.conftest import Build, kubectl, kustomize
from tests.security.attacks import GROUP, configured
from tests.security.installation import ACCOUNT, MANIFESTS, NAMESPACE, denied, listed, rights_of
from tests.upgrade.cluster import CRD, Cluster

from dynconfig.api.names import FINALIZER
from dynconfig.model import stored
from dynconfig_lab.controlplane import ControlPlane
from dynconfig_lab.processes import wait_until

__all__ = ["kubectl", "kustomize"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OBJECTS = f"{GROUP}/namespaces/default/dynamicconfigs"
_numbers = itertools.count(1)
OTHERS = "example.com/others"
HELD = {"metadata": {"finalizers": [OTHERS, FINALIZER]}}
RELEASED = {"metadata": {"finalizers": [OTHERS]}}
# All fields with a default, set to another value, and more.
FULL = {
    "region": "eu-west-1",
    "suspend": True,
    "driftPolicy": "Report",
    "deletionPolicy": "Retain",
    "adoptionPolicy": "IfUnowned",
    "resyncInterval": "20m",
    "dashboard": True,
    "cache": {"ttlSeconds": 60, "size": 10, "onChange": "Refresh"},
    "tags": {"team": "shop"},
    "parameters": [{"name": "a", "value": "1"}],
}
LARGE = [{"name": f"p{number}", "value": "x" * 4000} for number in range(250)]


class Account:
    """The operator's ServiceAccount with its own token, and an object of a team with foreign finalizers."""

    def __init__(self, http: httpx2.Client, cluster: Cluster, name: str = "") -> None:
        self.http = http
        self.cluster = cluster
        self.name = name

    def patch(self, patch: Mapping[str, Any], query: str = "", subresource: str = "") -> httpx2.Response:
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"{OBJECTS}/{self.name}{subresource}{query}"
        return self.http.patch(path, content=json.dumps(patch), headers=headers)

    def is_bounded(self) -> bool:
        return self.patch({"spec": {"suspend": True}}, "?dryRun=All").status_code == 403

    def document(self) -> dict[str, Any]:
        return self.cluster.document("dcfg", self.name)

    def delete(self) -> None:
        self.cluster.kubectl("delete", "dcfg", self.name, "--wait=false")

    def owning(self, name: str, spec: Mapping[str, Any]) -> "Account":
        """The account with a new object of this name."""
        metadata = {"name": name, "finalizers": [OTHERS], "labels": {"team": "shop"}, "annotations": {"note": "a"}}
        document = {**configured(name, dict(spec)), "metadata": metadata}
        self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(document))
        return Account(self.http, self.cluster, name)


@pytest.fixture(scope="module")
def bounded(
    plane: ControlPlane, kubectl: Path, kustomize: Build, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """The shipped permissions and limits are in force."""
    environment = {"HOME": str(tmp_path_factory.mktemp("kubectl")), "PATH": os.environ["PATH"]}
    cluster = Cluster(kubectl, plane.kubeconfig, environment)
    cluster.kubectl("apply", "-f", str(CRD))
    cluster.wait_served()
    cluster.kubectl("apply", "-f", "-", stdin=listed(rights_of(kustomize(MANIFESTS / "install"))))
    token = cluster.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE).strip()
    with plane.client(token) as http:
        first = Account(http, cluster).owning("first", {"parameters": []})
        assert wait_until(first.is_bounded, 30), first.patch({"spec": {"suspend": True}}, "?dryRun=All").text
        yield first
    cluster.remove_crd()
    cluster.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", ACCOUNT)


@pytest.fixture
def account(bounded: Account) -> Account:
    return bounded.owning(f"shop-{next(_numbers)}", {"parameters": []})


@pytest.fixture
def full(bounded: Account) -> Account:
    return bounded.owning(f"full-{next(_numbers)}", FULL)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"spec": {"path": "/evil"}}, ""),
        ({"spec": {"parameters": [{"name": "a", "value": "evil"}]}}, "may not change spec"),
        ({"spec": {"suspend": True}}, "may not change spec"),
        ({"spec": None}, ""),
        ({"spec": {"suspend": True}, "metadata": {"finalizers": []}}, "may not change spec"),
        ({"metadata": {"labels": {"team": "evil"}}}, "no metadata but its finalizer"),
        ({"metadata": {"labels": None}}, "no metadata but its finalizer"),
        ({"metadata": {"annotations": {"dynconfig.dev/abandon": "true"}}}, "no metadata but its finalizer"),
        ({"metadata": {"annotations": None}}, "no metadata but its finalizer"),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]}},
            "no metadata but its finalizer",
        ),
        ({"metadata": {"generateName": "evil-"}}, "no metadata but its finalizer"),
        ({"metadata": {"finalizers": []}}, "finalizers of others"),
        ({"metadata": {"finalizers": [OTHERS, "example.com/mine"]}}, "finalizers of others"),
    ],
    ids=json.dumps,
)
def test_other_patches_are_denied(patch: dict[str, Any], said: str, account: Account) -> None:
    before = account.document()
    answer = account.patch(patch)
    assert answer.status_code in (403, 422), answer.text
    assert said in answer.text
    assert account.document() == before


def test_finalizer_is_added_and_removed_also_for_a_large_object(account: Account) -> None:
    for found in (account, account.owning("large", {"parameters": LARGE})):
        answer = found.patch(HELD)
        assert answer.is_success, answer.text
        assert answer.json()["metadata"]["finalizers"] == [OTHERS, FINALIZER]
        found.delete()
        answer = found.patch(RELEASED)
        assert answer.is_success, answer.text
        assert answer.json()["metadata"]["finalizers"] == [OTHERS]


def test_finalizer_stays_while_the_object_is_not_deleted(account: Account) -> None:
    assert account.patch(HELD).is_success
    answer = account.patch(RELEASED)
    assert answer.status_code == 403, answer.text
    assert "not being deleted" in answer.text


def test_status_is_written_by_its_subresource_which_accepts_nothing_else(account: Account) -> None:
    patch = {
        "metadata": {"finalizers": [FINALIZER], "labels": {"team": "evil"}},
        "spec": {"suspend": True},
        "status": {"observedGeneration": 7},
    }
    before = account.document()
    answer = account.patch(patch, subresource="/status")
    assert answer.is_success, answer.text
    after = account.document()
    assert after["status"] == {"observedGeneration": 7}
    assert after["spec"] == before["spec"]
    assert [after["metadata"].get(key) for key in ("finalizers", "labels")] == [[OTHERS], {"team": "shop"}]


def test_spec_is_emptied_only_together_with_the_release(full: Account) -> None:
    spec = full.document()["spec"]
    emptied = {"spec": stored.emptied(spec)}
    assert full.patch(HELD).is_success
    assert full.patch({**RELEASED, **emptied}).status_code == 403, "it is not deleted"
    full.delete()
    assert full.patch(emptied).status_code == 403, "it keeps the finalizer"
    answer = full.patch({**RELEASED, **emptied})
    assert answer.is_success, answer.text
    left = answer.json()["spec"]
    assert {field for field in left if left[field] == spec.get(field)} == {"path", "region"}
    assert full.patch({"spec": {"suspend": True}}).status_code == 403, "it was released already"


def test_every_default_of_the_crd_is_in_the_policy(account: Account) -> None:
    """A field that is not tested above would block the release of an object that no longer fits."""
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert {name for name, field in fields.items() if "default" in field} < set(FULL)
    assert account.document()["spec"].keys() == {"path", "parameters"} | {n for n in fields if "default" in fields[n]}


CHANGES: list[dict[str, Any]] = [
    {"path": "/evil"},
    {"region": "us-east-1"},
    {"region": None},
    {"suspend": False},
    {"deletionPolicy": "Delete"},
    {"parameters": None},
    {"parameters": [{"name": "a", "value": "evil"}]},
    {"tags": {"team": "evil"}},
    {"cache": {"ttlSeconds": 1}},
    {"alarms": {}},
]


BECOMES: list[tuple[str, Any]] = [("suspend", False), ("deletionPolicy", "Delete"), ("parameters", None)]
"""What an emptied spec has anyway."""


@pytest.mark.parametrize("change", CHANGES, ids=json.dumps)
@pytest.mark.parametrize("is_emptied", [False, True], ids=["alone", "emptied"])
def test_release_changes_nothing_else_of_spec(change: dict[str, Any], is_emptied: bool, full: Account) -> None:
    assert full.patch(HELD).is_success
    full.delete()
    before = full.document()
    others = stored.emptied(before["spec"]) if is_emptied else {}
    becomes_default = is_emptied and next(iter(change.items())) in BECOMES
    answer = full.patch({**RELEASED, "spec": {**others, **change}}, "?dryRun=All")
    assert answer.is_success if becomes_default else answer.status_code in (403, 422), answer.text
    assert full.document() == before


def test_denied_requests_are_in_the_audit_log(account: Account, plane: ControlPlane) -> None:
    refused = f"{OBJECTS}/{account.name}"
    assert account.patch({"spec": {"suspend": True}}).status_code == 403
    assert account.http.delete(refused).status_code == 403
    assert wait_until(lambda: len([line for line in denied(plane.operator_requests()) if refused in line]) == 2, 10)


def test_other_users_can_edit_as_before(account: Account) -> None:
    patch = '{"spec": {"suspend": true}, "metadata": {"labels": {"team": "b"}, "finalizers": []}}'
    account.cluster.kubectl("patch", "dcfg", account.name, "--type=merge", "-p", patch)
    assert account.document()["spec"]["suspend"] is True


def test_account_creates_and_deletes_no_objects(account: Account) -> None:
    assert account.http.delete(f"{OBJECTS}/{account.name}").status_code == 403
    assert account.http.post(OBJECTS, json=configured("new", {"parameters": []})).status_code == 403

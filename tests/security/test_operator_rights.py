"""The shipped permissions of the operator are exactly those it uses, by the audit log of the real API server."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from rich.console import Console
from tests.e2e.world import World
from tests.gitops.conftest import Build, kubectl, kustomize
from tests.security.attacks import GROUP
from tests.security.installation import MANIFESTS, NAMESPACE, Right, denied, granted, listed, rights_of

from dynconfig.api.names import TARGET_FINALIZER
from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.controlplane import OPERATOR
from dynconfig_lab.stack import Stack, stack

__all__ = ["kubectl", "kustomize"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

POLICY = {"allow": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}, "paths": ["/{namespace}"]}]}
SERVED = ("shop", "cart")
CLUSTER_WIDE = ("namespaces", "customresourcedefinitions", "awstargets")
BY_HAND = "by-hand"


def used(requests: Iterable[dict[str, Any]]) -> set[Right]:
    """The permissions that requests need; discovery requests, which everyone may make, have no object."""
    return {_right(item) for item in requests if "objectRef" in item}


def _right(request: dict[str, Any]) -> Right:
    about = request["objectRef"]
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    is_cluster_wide = "namespace" not in about or resource == "namespaces"
    # RBAC cannot list the names of targets, which are not known beforehand.
    is_named = is_cluster_wide and about["resource"] != "awstargets"
    return about.get("apiGroup", ""), resource, request["verb"], about.get("name", "") if is_named else ""


def created(found: Stack, name: str) -> None:
    """Create a namespace of a team."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "shop"}}}
    found.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))


@contextmanager
def team(found: Stack, name: str) -> Iterator[World]:
    """The namespace of a team."""
    created(found, name)
    with found.http() as http:
        yield World(found, http, name, f"/{name}/app")


def lived(world: World) -> None:
    """All that an operator does for an object: it reads, writes, corrects twice, reports an error and deletes."""
    world.secret("s", password="one")
    world.config_map("c", colour="blue")
    parameters: list[dict[str, Any]] = [
        {"name": "a", "value": "1"},
        {"name": "secret", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "colour", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "colour"}}},
    ]
    world.declare("app", world.spec(*parameters))
    world.wait_ready("app")
    world.secret("s", password="two")
    world.wait("the new value is written", lambda: world.value("secret") == "two")
    for value in ("x", "y"):
        world.put_by_hand("a", value)
        world.reconcile_now("app")
        world.wait("drift is corrected", lambda: world.value("a") == "1")
    target = {"metadata": {"name": world.namespace}, "spec": {"region": "eu-west-1", "account": ACCOUNT}}
    place = f"{GROUP}/awstargets"
    world.http.post(
        place, json={"apiVersion": "dynconfig.dev/v1alpha1", "kind": "AWSTarget", **target}
    ).raise_for_status()
    found = f"{place}/{world.namespace}"
    world.wait("the target is checked", lambda: "account" in world.http.get(found).json().get("status", {}))
    world.delete("app")
    world.wait("the object is deleted", lambda: world.is_gone("app"))
    assert world.names() == []


def released(world: World) -> None:
    """The operator releases a target that no object uses any more."""
    metadata = {"name": "unused", "finalizers": [TARGET_FINALIZER]}
    target = {"metadata": metadata, "spec": {"region": "eu-west-1", "account": ACCOUNT}}
    world.http.post(
        f"{GROUP}/awstargets", json={"apiVersion": "dynconfig.dev/v1alpha1", "kind": "AWSTarget", **target}
    ).raise_for_status()
    found = f"{GROUP}/awstargets/unused"
    world.wait("the target is released", lambda: "finalizers" not in world.http.get(found).json()["metadata"])


def test_every_shipped_permission_is_used_and_none_is_missing(kustomize: Build, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    settings = {"DYNCONFIG_TENANCY": "shared", "DYNCONFIG_POLICY": str(policy), "DYNCONFIG_SHARDS": "2"}
    with stack(Console(stderr=True), settings) as found:
        with team(found, "shop") as world:
            lived(world)
            released(world)
        # A replica that is stopped deletes the lease by which others count it.
        found.operator.restart("operator")
        requests = found.plane.operator_requests()
    assert denied(requests) == []
    assert used(requests) == granted(kustomize(MANIFESTS / "install"))
    # kopf lists the API groups, and after some failures ends the operator.
    assert {item["responseStatus"]["code"] for item in requests if item["userAgent"].startswith("kopf/")} == {200}


def test_namespace_without_a_role_binding_does_not_block_others(kustomize: Build) -> None:
    documents = rights_of(kustomize(MANIFESTS / "namespaced"))
    late = next(item for item in documents if item["metadata"].get("namespace") == "cart")

    def install(found: Stack) -> None:
        for name in SERVED:
            created(found, name)
        found.kubectl("apply", "-f", "-", stdin=listed(item for item in documents if item is not late))

    with stack(Console(stderr=True), {"DYNCONFIG_NAMESPACES": ",".join(SERVED)}, install) as found:
        with team(found, "shop") as world:
            world.declare("app", world.spec({"name": "a", "value": "1"}))
            world.wait_ready("app")
        assert (
            "Namespace cart is skipped until the operator is allowed to list its DynamicConfigs"
            in found.operator_log.read_text()
        )
        found.kubectl("apply", "-f", "-", stdin=listed([late]))
        with team(found, "cart") as world:
            world.declare("app", world.spec({"name": "a", "value": "1"}))
            world.wait_ready("app")


def test_operator_of_single_namespaces_requests_nothing_of_others(kustomize: Build) -> None:
    documents = rights_of(kustomize(MANIFESTS / "namespaced"))

    def install(found: Stack) -> None:
        for name in (*SERVED, "others"):
            created(found, name)
        found.kubectl("apply", "-f", "-", stdin=listed(documents))

    with stack(Console(stderr=True), {"DYNCONFIG_NAMESPACES": ",".join(SERVED)}, install) as found:
        for name in SERVED:
            with team(found, name) as world:
                lived(world)
        with team(found, "others") as world:
            world.secret("s", password="theirs")
            world.declare("app", world.spec({"name": "a", "value": "1"}))
            with as_operator(found) as http:
                for path in ("secrets/s", "secrets", "configmaps", "events"):
                    assert http.get(f"/api/v1/namespaces/others/{path}").status_code == 403
                assert http.get("/api/v1/secrets").status_code == 403
                assert http.get(f"{GROUP}/namespaces/others/dynamicconfigs/app").status_code == 403
                assert http.get("/api/v1/namespaces/shop/secrets/s").is_success
            with team(found, "shop") as served:
                served.declare("last", served.spec({"name": "last", "value": "1"}))
                served.wait_ready("last")
            assert world.get("app").get("metadata", {}).get("finalizers") is None
        requests = found.plane.operator_requests()
    own = [item for item in requests if item["userAgent"] != BY_HAND]
    assert denied(own) == []
    leases = [item for item in own if item.get("objectRef", {}).get("resource") == "leases"]
    namespaced = [item for item in own if item.get("objectRef", {}).get("resource") not in (None, *CLUSTER_WIDE)]
    assert {item["objectRef"].get("namespace") for item in namespaced if item not in leases} == set(SERVED)
    assert {item["objectRef"].get("namespace") for item in leases} == {NAMESPACE}


@contextmanager
def as_operator(found: Stack) -> Iterator[httpx2.Client]:
    """Requests of the operator's account, sent by the test."""
    (user,) = yaml.safe_load(found.plane.kubeconfig_for(OPERATOR).read_text())["users"]
    with found.plane.client(user["user"]["token"]) as http:
        http.headers["User-Agent"] = BY_HAND
        yield http

"""The example of dev, staging and prod in a pipeline: planned, applied, and then without any difference."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.e2e.world import World

from dynconfig_lab.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

FOLDER = Path(__file__).parents[2] / "manifests" / "examples" / "environments"
NAMES = ("dev", "staging", "prod")


@pytest.fixture(scope="module")
def shop(scene: Stack, http: httpx2.Client) -> Iterator[Stack]:
    """A namespace and the Secret of each environment, and the permissions of a pipeline."""
    for namespace in (*(f"shop-{name}" for name in NAMES), "argocd"):
        http.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
    for name in NAMES:
        secret = {"metadata": {"name": "shop-db"}, "stringData": {"password": f"canary-{name}"}}
        http.post(f"/api/v1/namespaces/shop-{name}/secrets", json=secret).raise_for_status()
    scene.kubectl("apply", "-f", str(FOLDER / "delivery" / "rbac.yaml"))
    yield scene
    for name in NAMES:
        scene.kubectl("-n", f"shop-{name}", "delete", "dcfg", "shop", "--ignore-not-found", "--wait")


@pytest.mark.parametrize("name", NAMES)
def test_environment_is_planned_and_applied_and_then_has_no_difference(
    name: str, shop: Stack, http: httpx2.Client
) -> None:
    environment = World(shop, http, f"shop-{name}", f"/shop/{name}")
    before = plan(shop, name)
    assert before.returncode == 2, before.stdout + before.stderr
    assert f"/shop/{name}/database/host" in before.stdout
    assert "canary" not in before.stdout + before.stderr
    rendered = shop.kubectl("kustomize", str(FOLDER / name))
    shop.kubectl("apply", "--validate=strict", "-f", "-", stdin=rendered)
    environment.wait_ready("shop")
    assert environment.value("database/host") == f"db.{name}.shop.internal"
    assert environment.value("database/password") == f"canary-{name}"
    after = plan(shop, name)
    assert after.returncode == 0, after.stdout + after.stderr


def test_plan_of_several_environments_prints_all_and_fails_if_one_is_invalid(shop: Stack) -> None:
    shown = plan(shop, "dev", "no-such", "prod")
    assert shown.returncode == 1
    assert [line for line in shown.stdout.splitlines() if line.startswith("# ")] == ["# dev", "# no-such", "# prod"]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("planner get /secrets/shop-db shop-dev", True),
        ("planner get dynconfig.dev/dynamicconfigs/shop shop-prod", True),
        ("planner get /namespaces/kube-system -", True),
        ("pull-request get /secrets/shop-db shop-staging", True),
        ("pull-request get dynconfig.dev/dynamicconfigs/shop shop-dev", True),
        ("pull-request get /namespaces/kube-system -", True),
        ("pull-request get /secrets/shop-db shop-prod", False),
        ("pull-request get dynconfig.dev/dynamicconfigs/shop shop-prod", False),
        ("planner get /secrets/other shop-dev", False),
        ("planner list /secrets/ shop-dev", False),
        ("planner patch dynconfig.dev/dynamicconfigs/shop shop-dev", False),
        ("planner get /secrets/shop-db kube-system", False),
        ("promoter get argoproj.io/applications/shop-dev argocd", True),
        ("promoter patch argoproj.io/applications/shop-dev argocd", False),
        ("promoter get /secrets/shop-db shop-dev", False),
    ],
)
def test_pipeline_has_only_the_read_permissions_it_needs(
    asked: str, allowed: bool, shop: Stack, http: httpx2.Client
) -> None:
    who, verb, what, namespace = asked.split()
    attributes = dict(zip(("group", "resource", "name"), what.split("/"), strict=True))
    attributes |= {"verb": verb, "namespace": namespace.strip("-")}
    review = {"spec": {"user": "pipeline", "groups": [f"dynconfig-{who}"], "resourceAttributes": attributes}}
    answer = http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review).raise_for_status().json()
    assert answer["status"]["allowed"] is allowed


def test_new_object_is_behind_its_generation_from_creation(world: World) -> None:
    # kstatus, and therefore Flux, would treat an object without status as done.
    world.stack.operator.signal("operator", signal.SIGSTOP)
    try:
        world.declare("born", world.spec({"name": "a", "value": "1"}))
        assert world.status("born") == {"observedGeneration": -1}
    finally:
        world.stack.operator.signal("operator", signal.SIGCONT)
    world.wait_ready("born")
    assert world.status("born")["observedGeneration"] == 1


def plan(shop: Stack, *names: str) -> subprocess.CompletedProcess[str]:
    """The script of the pipeline, with the programs of this checkout."""
    path = os.pathsep.join((str(Path(sys.executable).parent), str(shop.kubectl_binary.parent), os.environ["PATH"]))
    command = [str(FOLDER / "delivery" / "plan.sh"), *names]
    environment = {**shop.environment, "PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

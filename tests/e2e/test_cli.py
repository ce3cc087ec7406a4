"""The commands with a real cluster: they find the object, its Secrets and its status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.cli.shell import Result
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

HOST = {"name": "database/host", "value": "db.shop.internal"}
PASSWORD = {"name": "database/password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}


def dynconfig(world: World, *arguments: str, **environment: str) -> Result:
    """A command in the namespace of the test."""
    command = (sys.executable, "-m", "dynconfig", *arguments)
    alone = {name: text for name, text in world.stack.environment.items() if name != "COLUMNS"}
    found = subprocess.run(
        command, env={**alone, "NO_COLOR": "1", **environment}, capture_output=True, text=True, check=False
    )
    return Result(arguments, found.returncode, found.stdout, found.stderr)


def declared(world: World, **spec: object) -> None:
    world.secret("db", password="secret-canary")
    world.declare("myapp", world.spec(HOST, PASSWORD, **spec))
    world.wait_ready("myapp")


def test_report_shows_drift_and_its_events_without_secrets(world: World) -> None:
    declared(world, driftPolicy="Report")
    for name in ("host", "password"):
        world.put_by_hand(f"database/{name}", "changed-canary" if name == "password" else "other")
    world.reconcile_now("myapp")
    world.wait_event("myapp", "DriftFound")
    found = {
        output: dynconfig(world, "report", "-n", world.namespace, "-o", output) for output in ("json", "html", "text")
    }
    assert [(each.code, each.err) for each in found.values()] == [(0, "")] * 3
    assert not [each for each in found.values() if "secret-canary" in each.out or "changed-canary" in each.out]
    report = json.loads(found["json"].out)
    assert {(item["declared"], item["observed"]) for item in report["drift"]} >= {
        ("db.shop.internal", "other"),
        ("•••", "•••"),
    }
    assert {(item["name"], item["reason"]) for item in report["driftHistory"]} == {("myapp", "DriftFound")}
    assert report["objects"][0]["managers"]


def manifest(world: World, folder: Path, *parameters: object, **spec: object) -> str:
    document = {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {"name": "myapp", "namespace": world.namespace},
        "spec": {"path": world.path, "parameters": list(parameters), **spec},
    }
    file = folder / "myapp.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def test_plan_of_a_file_finds_the_object_and_reads_its_secret_from_the_cluster(world: World, tmp_path: Path) -> None:
    declared(world)
    same = dynconfig(world, "plan", "-f", manifest(world, tmp_path, HOST, PASSWORD))
    assert same.code == 0, same.text
    edited = dynconfig(world, "plan", "-f", manifest(world, tmp_path, {**HOST, "value": "db.other"}, PASSWORD))
    assert edited.code == 2
    assert "value: db.shop.internal → db.other" in edited.out
    assert "canary" not in edited.text


@pytest.mark.parametrize("apply", [["apply"], ["apply", "--server-side", "--field-manager=argocd-controller"]])
def test_plan_of_a_file_equals_its_apply(world: World, tmp_path: Path, apply: list[str]) -> None:
    file = manifest(world, tmp_path, HOST, tags={"team": "shop"}, resyncInterval="1h")
    world.kubectl(*apply, "-f", file)
    world.wait_ready("myapp")
    assert world.edit("myapp", {"spec": {"driftPolicy": "Report", "tags": {"by": "hand"}}}).is_success
    world.wait("the edit is applied", lambda: world.status("myapp").get("appliedGeneration") == 2)
    world.put_by_hand("database/host", "db.elsewhere")
    fewer = manifest(world, tmp_path, HOST, tags={"team": "shop"})
    plan, drift = (dynconfig(world, command, "-f", fewer) for command in ("plan", "drift"))
    assert "not corrected (driftPolicy: Report)" in plan.out
    assert "tags" not in plan.out
    assert "1 field changed in AWS." in drift.out
    world.kubectl(*apply, "-f", fewer)
    spec = world.get("myapp")["spec"]
    assert (spec["driftPolicy"], spec["tags"]) == ("Report", {"team": "shop", "by": "hand"})
    assert dynconfig(world, "plan", "-n", world.namespace, "myapp").out == plan.out


def test_plan_of_an_existing_object_needs_no_file(world: World) -> None:
    declared(world)
    result = dynconfig(world, "plan", "-n", world.namespace, "myapp")
    assert result.code == 0, result.text
    assert "No changes: 2 resources are in sync with AWS." in result.out
    absent = dynconfig(world, "plan", "-n", world.namespace, "absent")
    assert absent.code == 1
    assert f"DynamicConfig {world.namespace}/absent not found" in absent.err


def test_plan_delete_shows_the_deletion(world: World) -> None:
    declared(world)
    result = dynconfig(world, "plan", "-n", world.namespace, "myapp", "--delete")
    assert "Deletion: 2 to delete, 0 to keep." in result.out
    world.edit("myapp", {"spec": {"deletionPolicy": "Retain", "suspend": True}})
    retained = dynconfig(world, "plan", "-n", world.namespace, "myapp", "--delete")
    assert "Deletion: 0 to delete, 2 to keep; blocked, see above." in retained.out
    assert world.names() == ["database/host", "database/password"]


def test_drift_of_all_objects_of_a_namespace_is_reported(world: World) -> None:
    declared(world, driftPolicy="Report")
    assert dynconfig(world, "drift", "-n", world.namespace).code == 0
    world.put_by_hand("database/host", "db.elsewhere")
    result = dynconfig(world, "drift", "-n", world.namespace, "-o", "json")
    assert result.code == 2
    (found,) = json.loads(result.out)
    assert [(item["field"], item["observed"]) for item in found["drift"]] == [("value", "db.elsewhere")]
    assert found["notAppliedYet"] == []


def test_pending_edit_is_not_reported_as_drift(world: World) -> None:
    declared(world)
    world.edit("myapp", {"spec": {"suspend": True}})
    world.wait("suspension is seen", lambda: world.condition("myapp")[1] == "Suspended")
    world.edit("myapp", {"spec": {"tags": {"team": "shop"}}})
    result = dynconfig(world, "drift", "-n", world.namespace)
    assert result.code == 0, result.text
    assert "not applied yet" in result.out


def test_two_objects_are_compared_and_their_secrets_by_hash(world: World) -> None:
    declared(world)
    world.secret("other", password="other-canary")
    other = {**PASSWORD, "valueFrom": {"secretKeyRef": {"name": "other", "key": "password"}}}
    world.declare("second", {**world.spec(HOST, other), "path": f"{world.path}-2"})
    result = dynconfig(world, "diff", "myapp", f"{world.namespace}/second", "-n", world.namespace)
    assert result.code == 2
    assert "~ database/password: ••• → •••" in result.out
    assert "database/host" not in result.out
    assert "canary" not in result.text


def test_imported_parameters_are_adopted_and_no_value_is_written(world: World, tmp_path: Path) -> None:
    for name, kind in (("a", "String"), ("b/c", "StringList"), ("d", "SecureString")):
        tags = [{"Key": "team", "Value": "shop"}]
        world.ssm.put_parameter(Name=f"{world.path}/{name}", Value="one", Type=kind, Tags=tags)
    config, secret = str(tmp_path / "config.yaml"), str(tmp_path / "secret.yaml")
    arguments = ("--path", world.path, "-n", world.namespace, "--name", "taken", "-o", config, "--with-secrets", secret)
    assert dynconfig(world, "import", *arguments).code == 0
    world.stack.kubectl("apply", "-f", secret, "-f", config)
    world.wait_ready("taken")
    assert [world.version(name) for name in ("a", "b/c", "d")] == [1, 1, 1]
    assert dynconfig(world, "plan", "-n", world.namespace, "taken").code == 0


def test_status_is_a_table_of_objects(world: World) -> None:
    declared(world)
    result = dynconfig(world, "status", "-n", world.namespace)
    assert result.code == 0
    assert f"{world.namespace}/myapp  Ready  2/2" in result.out
    empty = dynconfig(world, "status", "-n", "kube-system")
    assert "no DynamicConfigs found in namespace kube-system; select another with -n" in empty.err


def test_status_follows_an_object_until_it_is_ready(world: World) -> None:
    world.declare("late", world.spec(PASSWORD))
    world.wait_reason("late", "SourceMissing", "Unknown")
    command = (sys.executable, "-m", "dynconfig", "status", "late", "-n", world.namespace, "--watch")
    with subprocess.Popen(command, env=world.stack.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "Working" in process.stdout.readline()
        world.secret("db", password="secret-canary")
        rest = process.stdout.read()
    assert process.returncode == 0
    assert rest.splitlines()[-1].startswith(f"{world.namespace}/late: Ready 1/1")


def test_status_exits_with_1_for_stalled_or_late_objects(world: World) -> None:
    world.declare("stalled", world.spec({"name": "a", "value": "x", "schema": {"type": "integer"}}))
    world.wait_reason("stalled", "InvalidSpec")
    stalled = dynconfig(world, "status", "stalled", "-n", world.namespace, "--watch")
    assert stalled.code == 1
    assert "Stalled" in stalled.out
    world.declare("late", {**world.spec(PASSWORD), "path": f"{world.path}-late"})
    world.wait_reason("late", "SourceMissing", "Unknown")
    late = dynconfig(world, "status", "late", "-n", world.namespace, "--watch", "--timeout", "1s")
    assert late.code == 1
    assert f"{world.namespace}/late is not Ready after 1s: SourceMissing" in late.err


def test_kubectl_completes_its_plugin_with_the_names_of_objects(world: World) -> None:
    declared(world)
    path = os.pathsep.join(
        (str(Path(sys.executable).parent), str(world.stack.kubectl_binary.parent), os.environ["PATH"])
    )

    def completed(*words: str) -> list[str]:
        command = (str(world.stack.kubectl_binary), "__complete", "dynconfig", *words)
        environment = {**world.stack.environment, "PATH": path}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return answer.stdout.split()

    assert completed("stat") == ["status", ":4"]
    assert completed("plan", "--del") == ["--delete", ":4"]
    assert completed("plan", "-n", world.namespace, "my") == ["myapp", ":4"]
    assert completed("plan", "-n", world.namespace, "your") == [":0"]

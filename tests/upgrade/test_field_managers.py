"""A value that moves into a Secret after a manual edit: the error names the command that resolves it, and it works."""

import json

import pytest
from tests.e2e.world import World

from dynconfig.api import names
from dynconfig_lab.stack import CommandFailed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

GITOPS = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-")
FROM = {"secretKeyRef": {"name": "s", "key": "k"}}
MAP = {"configMapKeyRef": {"name": "m", "key": "k"}}
ALARM = {"name": "Mine", "metric": "M", "namespace": "N", "threshold": 1, "comparison": "GreaterThanThreshold"}


def manifest(world: World, **parts: object) -> str:
    document = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "managed", "namespace": world.namespace},
        "spec": {"path": world.path, "suspend": True, **parts},
    }
    return json.dumps(document)


def moved(world: World, before: str, edited: object, after: str) -> str:
    """Apply, edit the same field by hand, apply with the other field; return the API server's error."""
    world.stack.kubectl(*GITOPS, stdin=before)
    edit = ("patch", "dcfg", "managed", "-n", world.namespace, "--type=json", "--field-manager=kubectl-edit")
    world.stack.kubectl(*edit, "-p", json.dumps([edited]))
    with pytest.raises(CommandFailed) as refused:
        world.stack.kubectl(*GITOPS, stdin=after)
    return str(refused.value)


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        (
            {"parameters": [{"name": "a", "value": "1"}]},
            "/spec/parameters/0/value",
            "x",
            {"parameters": [{"name": "a", "valueFrom": FROM}]},
        ),
        (
            {"parameters": [{"name": "a", "valueFrom": FROM}]},
            "/spec/parameters/0/valueFrom/secretKeyRef",
            {"name": "x", "key": "x"},
            {"parameters": [{"name": "a", "valueFrom": MAP}]},
        ),
        (
            {"alarms": {"defaults": False, "custom": [{**ALARM, "statistic": "Sum"}]}},
            "/spec/alarms/custom/0/statistic",
            "Maximum",
            {"alarms": {"defaults": False, "custom": [{**ALARM, "extendedStatistic": "p99"}]}},
        ),
    ],
    ids=["value", "source", "statistic"],
)
def test_error_names_the_command_that_resolves_it(
    installed: World, before: dict[str, object], path: str, value: object, after: dict[str, object]
) -> None:
    edited = {"op": "replace", "path": path, "value": value}
    output = moved(installed, manifest(installed, **before), edited, manifest(installed, **after))
    assert "another field manager owns the other" in output
    assert "kubectl replace -f FILE" in output

    def replaced() -> bool:
        try:
            installed.stack.kubectl("replace", "-f", "-", stdin=manifest(installed, **after))
        except CommandFailed as error:
            # The operator wrote status at the same moment.
            if "Conflict" not in str(error):
                raise
            return False
        return True

    installed.wait("it is replaced", replaced)
    installed.stack.kubectl(*GITOPS, stdin=manifest(installed, **after))
    field = path.rpartition("/")[2]
    assert f'"{field}":' not in json.dumps(installed.get("managed")["spec"])


def test_plan_names_the_manager(installed: World) -> None:
    installed.secret("s", k="secret")
    installed.stack.kubectl(*GITOPS, stdin=manifest(installed, parameters=[{"name": "a", "value": "1"}]))
    installed.edit("managed", {"spec": {"parameters": [{"name": "a", "value": "2"}]}})
    file = installed.stack.folder / "managed.json"
    file.write_text(manifest(installed, parameters=[{"name": "a", "valueFrom": FROM}]))
    output = installed.stack.dynconfig("plan", "-f", str(file))
    assert "warning: parameter a: value is owned by " in output, output

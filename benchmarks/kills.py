"""kill -9 before and after each write of four flows: it converges, and nothing is left over, duplicated or deleted."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from benchmarks import load
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Kill
from dynconfig_lab.processes import INTERVAL
from dynconfig_lab.stack import Stack

Document = dict[str, Any]
BAKE = {"bakeTime": "5s", "rollbackOnAlarm": True}
ALARM = {
    "name": "Orders",
    "metric": "Failed",
    "namespace": "Shop",
    "statistic": "Sum",
    "threshold": 5,
    "comparison": "GreaterThanThreshold",
}
CONVERGED_WITHIN = 180.0
SECRET = "kills"  # a name, not a secret


def kills(stack: Stack, http: httpx2.Client, every: int = 1, flow_name: str | None = None) -> Iterator[Figure]:
    """All points of all flows or of one, or every nth write."""
    http.post(
        "/api/v1/namespaces/default/secrets", json={"metadata": {"name": SECRET}, "stringData": {"password": "x"}}
    )
    console, number, wrong = Console(highlight=False, stderr=True), 0, list[str]()
    for name, flow in FLOWS.items():
        if flow_name not in (None, name):
            continue
        expected = Point(stack, http, f"kill-{number:04}", flow).undisturbed()
        number, points, began = number + 1, 0, time.monotonic()
        for is_before in (True, False):
            write = 1
            while found := Point(stack, http, f"kill-{number:04}", flow).killed(expected, write, is_before):
                where = f"{name}, {'before' if is_before else 'after'} write {write}"
                console.print(f"  {where}: {found}", style="dim")
                wrong += [] if found == CONVERGED else [f"{where}: {found}"]
                number, points, write = number + 1, points + 1, write + every
            number += 1
        seconds = time.monotonic() - began
        beside = (
            "; ".join(wrong) or f"{points} points, {seconds / max(points, 1):.1f} s each; kill -9 of the real process"
        )
        yield Figure(f"Kills in {name} after which AWS is not as without", len(wrong), 0, "", beside)
        wrong.clear()


CONVERGED = "converged"


@dataclass
class Point:
    """One run of a flow with its own objects and path, which are deleted afterwards."""

    stack: Stack
    http: httpx2.Client
    name: str
    flow: Callable[["Point"], None]
    is_armed: bool = False
    has_died: bool = False
    kill: tuple[int, bool] | None = None

    def undisturbed(self) -> Document:
        """The final state of AWS without a kill."""
        self.flow(self)
        found = self.state()
        self.clean()
        return found

    def killed(self, expected: Document, write: int, is_before: bool) -> str:
        """The result of a run whose operator is killed; None if it has no such write."""
        self.kill = (write, is_before)
        try:
            self.flow(self)
            self.wait(lambda: self.state() == expected)
            found = CONVERGED
        except TimeoutError:
            odd = {key: value for key, value in self.state().items() if value != expected[key]}
            found = str(odd or f"not Ready: {self.status(self.name).get('conditions')}")
        self.stack.lab.faults(Faults())
        self.clean()
        return found if self.has_died else ""

    def arm(self) -> None:
        """From now on the process may be killed."""
        if self.kill is not None:
            pid = self.stack.operator.children["operator"].identity.pid
            self.stack.lab.faults(Faults(kill=Kill(pid, self.kill[0], self.kill[1])))

    def create(self, name: str, spec: Document) -> None:
        """A new object."""
        self.http.post(load.OBJECTS, json={**load.document(name), "spec": spec}).raise_for_status()

    def status(self, name: str) -> Document:
        """The status of an object; empty if it does not exist."""
        answer = self.http.get(f"{load.OBJECTS}/{name}")
        return {} if answer.status_code == 404 else dict(answer.raise_for_status().json().get("status") or {})

    def ready(self, name: str) -> tuple[str, str]:
        """Status and reason of Ready."""
        found: Document = next(iter(self.status(name).get("conditions", ())), {})
        return found.get("status", ""), found.get("reason", "")

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; a killed process is restarted. Raises TimeoutError."""
        until = time.monotonic() + CONVERGED_WITHIN
        while not condition():
            if self.stack.operator.children["operator"].exit_code is not None:
                self.has_died = True
                self.stack.operator.restart("operator")
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(INTERVAL)

    def clean(self) -> None:
        """Delete the objects, and wait until they are deleted."""
        for name in (self.name, f"{self.name}-b"):
            self.http.delete(f"{load.OBJECTS}/{name}")
        names = (self.name, f"{self.name}-b")
        try:
            self.wait(lambda: not any(map(self.status, names)))
        except TimeoutError:
            left = {name: self.status(name).get("conditions") for name in names}
            raise TimeoutError(f"objects still exist {CONVERGED_WITHIN:.0f} s after their deletion: {left}") from None

    def state(self) -> Document:
        """All AWS state of these objects, with the same names for each point."""
        found = dict(_state(self.stack, self.name))
        text: str = json.dumps(found, sort_keys=True).replace(self.name, "NAME")
        return dict(json.loads(text))


def _state(stack: Stack, name: str) -> Iterator[tuple[str, Any]]:
    ssm, cloudwatch, events, apis = (stack.aws(service) for service in ("ssm", "cloudwatch", "events", "apigatewayv2"))
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=f"/{name}", Recursive=True, WithDecryption=True)
    parameters = [item for page in pages for item in page["Parameters"]]
    yield "parameters", [(item["Name"], item["Type"], item["Value"], item["Version"]) for item in parameters]
    yield "owners", [_owner(ssm, item["Name"]) for item in parameters]
    yield "alarms", [item["AlarmName"] for item in _alarms(cloudwatch) if name in item["AlarmName"]]
    boards = cloudwatch.list_dashboards()["DashboardEntries"]
    yield "dashboards", [item["DashboardName"] for item in boards if name in item["DashboardName"]]
    yield "rules", [item["Name"] for item in events.list_rules()["Rules"] if name in item["Name"]]
    yield "HTTP APIs", [item["Name"] for item in apis.get_apis()["Items"] if name in item["Name"]]
    for service, operation, member, key in (
        ("lambda", "list_functions", "Functions", "FunctionName"),
        ("iam", "list_roles", "Roles", "RoleName"),
        ("logs", "describe_log_groups", "logGroups", "logGroupName"),
        ("scheduler", "list_schedules", "Schedules", "Name"),
    ):
        items = getattr(stack.aws(service), operation)()[member]
        yield service, sorted(item[key] for item in items if name in item[key])


def _owner(ssm: Any, name: str) -> str:
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    owner = next((tag["Value"] for tag in tags if tag["Key"] == "dynconfig.dev/owner"), "")
    # Cluster and uid differ between points.
    return "/".join(owner.split("/")[1:3])


def _alarms(cloudwatch: Any) -> list[Document]:
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return [*found["MetricAlarms"], *found["CompositeAlarms"]]


def _full(point: Point, values: Mapping[str, str], **more: Any) -> Document:
    reference = {"secretKeyRef": {"name": SECRET, "key": "password"}}
    password = {"name": "password", "type": "SecureString", "valueFrom": reference}
    spec = {
        "path": f"/{point.name}",
        "parameters": [*({"name": name, "value": value} for name, value in values.items()), password],
        "function": {"triggers": {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {}}},
        "alarms": {"custom": [ALARM]},
        "dashboard": True,
        "rollout": BAKE,
        **more,
    }
    return {field: value for field, value in spec.items() if value is not None}


def _stable(point: Point, generation: int = 1) -> None:
    point.wait(lambda: point.status(point.name).get("stableGeneration") == generation)


def _apply(point: Point) -> None:
    point.arm()
    point.create(point.name, _full(point, {"a": "1", "b": "1"}))
    _stable(point)


def _rollback(point: Point) -> None:
    point.create(point.name, _full(point, {"a": "1", "b": "1", "c": "1"}))
    _stable(point)
    point.arm()
    spec = _full(point, {"a": "2", "b": "2"}, rollout={**BAKE, "bakeTime": "10m"})
    load.edit(point.http, point.name, {"spec": spec})
    point.wait(lambda: "bake" in point.status(point.name))
    cloudwatch = point.stack.aws("cloudwatch")
    name = next(item["AlarmName"] for item in _alarms(cloudwatch) if f"{point.name}/Orders" in item["AlarmName"])
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a benchmark")
    point.wait(lambda: point.ready(point.name)[1] == "RolledBack")


def _hand_over(point: Point) -> None:
    other = f"{point.name}-b"
    own = {"path": f"/{point.name}", "adoptionPolicy": "IfUnowned"}
    point.create(point.name, _full(point, {"a": "1", "b": "1", "c": "1"}, rollout=None))
    point.create(other, {**own, "parameters": [{"name": "d", "value": "1"}]})
    point.wait(lambda: point.ready(point.name)[0] == "True" == point.ready(other)[0])
    point.arm()
    load.edit(point.http, point.name, {"spec": {"parameters": _full(point, {"c": "1"})["parameters"]}})
    moved = [{"name": name, "value": "1"} for name in ("a", "b", "d")]
    load.edit(point.http, other, {"spec": {"parameters": moved}})
    point.wait(lambda: [point.status(name).get("appliedGeneration") for name in (point.name, other)] == [2, 2])


def _deletion(point: Point) -> None:
    point.create(point.name, _full(point, {"a": "1", "b": "1"}, rollout=None))
    point.wait(lambda: point.ready(point.name)[0] == "True")
    point.arm()
    point.http.delete(f"{load.OBJECTS}/{point.name}").raise_for_status()
    point.wait(lambda: not point.status(point.name))


FLOWS: dict[str, Callable[[Point], None]] = {
    "apply": _apply,
    "rollback": _rollback,
    "hand-over": _hand_over,
    "deletion": _deletion,
}

"""Four flows of the full example, and the resulting state of AWS: apply, rollback, hand-over, deletion."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.sequences import account
from tests.sequences.acts import ALARM, BAKE
from tests.sequences.cluster import Document
from tests.sequences.expectation import Judge, condition
from tests.sequences.monitor import Monitor
from tests.sequences.reference import PATH, Ghost, wishes
from tests.sequences.wire import Call, Death
from tests.sequences.world import Ground, World

from dynconfig.model.key import Key

FIRST, SECOND = Key("shop", "a"), Key("shop", "b")
PASSWORD = {"name": "s0", "type": "SecureString", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "s0"}}}


def full(**values: str) -> Document:
    """The full example: function, role, log group, triggers, alarms, dashboard, rollout."""
    return {
        "path": PATH,
        "parameters": [*({"name": name, "value": value} for name, value in values.items()), PASSWORD],
        "function": {"triggers": {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {}}},
        "cache": {"onChange": "Refresh"},
        "alarms": {"defaults": False, "custom": [ALARM]},
        "dashboard": True,
        "tags": {"team": "red"},
        "rollout": BAKE,
    }


def plain(*names: str) -> Document:
    """Only parameters."""
    listed = [{"name": name, "value": "1"} for name in names]
    return {"path": PATH, "parameters": listed, "tags": {"team": "red"}, "adoptionPolicy": "IfUnowned"}


@dataclass
class Flow:
    """One flow: its initial state, its action, and what is checked meanwhile."""

    world: World
    ghost: Ghost
    monitor: Monitor

    def prepare(self) -> None:
        """Create the initial state of the flow."""

    def act(self) -> None:
        """Run it until the operator is idle."""

    def create(self, key: Key, spec: Document) -> None:
        """Create an object, and wait until the operator is idle."""
        self.world.cluster.create(key, spec)
        self.note()
        self.world.settle()

    def edit(self, key: Key, spec: Document) -> None:
        """Replace the spec."""
        self.world.cluster.edit(key, spec)
        self.note()

    def note(self) -> None:
        """The declared state now."""
        self.ghost.note(wishes(self.world.cluster).values())

    def learn(self) -> None:
        """Mark the current state as stable."""
        Judge(self.world.cluster, self.ghost).note()


class Apply(Flow):
    """Create an object."""

    def act(self) -> None:
        self.create(FIRST, full(p0="1", p1="1"))


class Rollback(Flow):
    """Two values change and one parameter is removed; an alarm fires, and all is restored.

    Returns None: if a process dies between a creation and its report, a rollback stops, as a decision record
    describes.
    """

    def prepare(self) -> None:
        self.create(FIRST, full(p0="1", p1="1", p2="1", p3="1"))
        self.learn()

    def act(self) -> None:
        self.edit(FIRST, full(p0="2", p1="2", p2="1"))
        self.world.run(5.0)
        alarm = next(name for name in account.alarms() if name.endswith("/Orders"))
        cloudwatch = self.world.aws("cloudwatch")
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a flow")
        self.ghost.fired.add(self.world.cluster.objects[FIRST]["metadata"]["uid"])
        self.world.settle()


class HandOver(Flow):
    """Two parameters move to another object."""

    def prepare(self) -> None:
        self.create(FIRST, full(p0="1", p1="1", p2="1"))
        self.create(SECOND, plain("p3"))
        self.learn()

    def act(self) -> None:
        self.edit(FIRST, full(p2="1"))
        self.edit(SECOND, plain("p3", "p0", "p1"))
        # A deletion waits for the end of the bake time, and so does a hand-over.
        self.world.settle()


class Deletion(Flow):
    """The object is deleted."""

    def prepare(self) -> None:
        self.create(FIRST, full(p0="1", p1="1"))

    def act(self) -> None:
        self.world.cluster.delete(FIRST)
        self.note()
        self.world.settle()


FLOWS: dict[str, type[Flow]] = {"apply": Apply, "rollback": Rollback, "hand-over": HandOver, "deletion": Deletion}


@dataclass(frozen=True)
class Ended:
    """The result of a flow."""

    writes: tuple[Call, ...]
    """Writes of the flow itself."""
    lives: int
    state: dict[str, Any]
    reasons: dict[str, str]
    faults: tuple[str, ...]


@dataclass
class Deaths:
    """Each process makes one write. One that only repeats the previous process's write makes another."""

    writes: list[Call]
    is_before: bool
    left: int
    """How many lives end so; the last one lives on."""

    def __call__(self) -> Death | None:
        """When the next process dies."""
        self.left -= 1
        if self.left < 0:
            return None
        is_repeated = len(self.writes) > 1 and str(self.writes[-1]) == str(self.writes[-2])
        return Death(is_repeated + self.is_before, self.is_before)


def play(ground: Ground, name: str, lives: int = 0, *, is_before: bool = False) -> Ended:
    """Run a flow from its start; this many processes die, each after its first write or before its second."""
    ground.lab.clear()
    world, ghost = World(ground), Ghost()
    monitor = Monitor(world.cluster, ghost)
    ground.wire.before, ground.wire.after, ground.wire.writes = monitor.before, monitor.after, []
    world.cluster.secrets["shop", "creds"] = {"s0": "secret"}
    world.begin()
    try:
        flow = FLOWS[name](world, ghost, monitor)
        flow.prepare()
        before, born = len(ground.wire.writes), world.lives
        world.next_death = Deaths(ground.wire.writes, is_before, lives)
        world.wire.death = world.next_death()
        flow.act()
        world.next_death, world.wire.death = (lambda: None), None
        world.settle()
        faults = (*monitor.faults, *Judge(world.cluster, ghost).faults(), *ground.journal.bugs)
        reasons = {str(key): condition(document)[1] for key, document in world.cluster.objects.items()}
        return Ended(tuple(ground.wire.writes[before:]), world.lives - born, dict(_state(world)), reasons, faults)
    finally:
        ground.journal.bugs.clear()
        world.end()


def _state(world: World) -> Iterator[tuple[str, Any]]:
    """All state of AWS that does not depend on its creation time."""
    # One label on one version is the decision to roll back; a process that dies may omit the others.
    for name, item in account.parameters().items():
        labels = {label: version for label, version in item.labels.items() if not label.startswith("rejected-")}
        yield name, replace(item, labels=labels)
    yield "alarms", sorted(account.alarms())
    yield (
        "dashboards",
        [item["DashboardName"] for item in world.aws("cloudwatch").list_dashboards()["DashboardEntries"]],
    )
    functions = [item["FunctionName"] for item in world.aws("lambda").list_functions()["Functions"]]
    yield "functions", functions
    yield "permissions", {name: sorted(_statements(world, name)) for name in functions}
    yield "roles", sorted(item["RoleName"] for item in world.aws("iam").list_roles()["Roles"])
    yield "log groups", [item["logGroupName"] for item in world.aws("logs").describe_log_groups()["logGroups"]]
    events = world.aws("events")
    rules = [item["Name"] for item in events.list_rules()["Rules"]]
    yield "rules", {rule: len(events.list_targets_by_rule(Rule=rule)["Targets"]) for rule in rules}
    yield "schedules", [item["Name"] for item in world.aws("scheduler").list_schedules()["Schedules"]]
    apis = world.aws("apigatewayv2")
    yield "HTTP APIs", [_api(apis, item) for item in apis.get_apis()["Items"]]


def _api(apis: Any, item: dict[str, Any]) -> tuple[Any, ...]:
    found = {"ApiId": item["ApiId"]}
    parts = (apis.get_integrations(**found), apis.get_routes(**found), apis.get_stages(**found))
    return (item["Name"], *(len(part["Items"]) for part in parts))


def _statements(world: World, function: str) -> Iterator[str]:
    client = world.aws("lambda")
    try:
        policy = client.get_policy(FunctionName=function)["Policy"]
    except client.exceptions.ResourceNotFoundException:
        return
    yield from (item["Sid"] for item in _parsed(policy)["Statement"])


def _parsed(policy: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(policy)
    return found

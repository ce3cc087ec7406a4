"""What the operator is doing when it dies: objects with all kinds are created, edited, rolled back, moved and deleted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults import foreign
from tests.faults.site import Site

Document = dict[str, Any]
Act = Callable[[Site], None]

APP, OTHER = "app", "other"
BAKE = {"bakeTime": "5s", "rollbackOnAlarm": True}
ALARM = {
    "name": "Orders",
    "metric": "Failed",
    "namespace": "Shop",
    "statistic": "Sum",
    "threshold": 5,
    "comparison": "GreaterThanThreshold",
}
SECRET = {"name": "password", "type": "SecureString", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}


def full(site: Site, names: str, value: str = "1", **more: Any) -> Document:
    """An object with a resource of every kind."""
    function = {
        "onFailure": "arn:aws:sqs:eu-west-1:123456789012:failed",
        "triggers": {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {}},
    }
    return {
        "path": site.path,
        "parameters": [*({"name": name, "value": value} for name in names), SECRET],
        "function": {**function, **more.pop("function", {})},
        "cache": {"onChange": "Refresh"},
        "alarms": {"topic": True, "custom": [ALARM]},
        "dashboard": True,
        "tags": {"team": "red"},
        "adoptionPolicy": "IfUnowned",
        **more,
    }


@dataclass(frozen=True)
class Flow:
    """What is prepared, and during which acts the operator may die."""

    prepare: Act
    act: Act
    finish: Act
    """Waits until the operator has carried it out."""


def nothing(_site: Site) -> None:
    """Nothing."""


def sources(site: Site) -> None:
    """The Secret."""
    site.secret("db", password="x")


def ready(*names: str) -> Act:
    """Wait until these objects are in sync."""

    def wait(site: Site) -> None:
        for name in names:
            site.wait(f"{name} is Ready", lambda name=name: site.is_ready(name))  # type: ignore[misc]

    return wait


def is_stable(site: Site, generation: int) -> bool:
    """Whether the bake time of a generation is over."""
    return site.is_ready(APP) and site.status(APP).get("stableGeneration") == generation


def _create(site: Site) -> None:
    site.declare(APP, full(site, "ab", rollout=BAKE))


def _prepared(*acts: Act) -> Act:
    def prepare(site: Site) -> None:
        for act in acts:
            act(site)

    return prepare


def _stable(generation: int) -> Act:
    return lambda site: site.wait(f"generation {generation} is stable", lambda: is_stable(site, generation))


def _edit(site: Site) -> None:
    function = {"memory": 256, "triggers": {"parameterChange": True, "schedule": "rate(1 hour)", "httpApi": {}}}
    alarms = {"topic": True, "custom": [{**ALARM, "threshold": 6}]}
    spec = full(site, "bc", "2", function=function, alarms=alarms, tags={"team": "blue"}, rollout=BAKE)
    site.edit(APP, {"spec": spec}).raise_for_status()


def _shrink(site: Site) -> None:
    """All but the parameters goes."""
    spec = {"function": None, "alarms": None, "dashboard": None, "cache": None}
    site.edit(APP, {"spec": spec}).raise_for_status()


def _break(site: Site) -> None:
    """A change that an alarm rolls back."""
    site.edit(APP, {"spec": full(site, "ab", "2", rollout={**BAKE, "bakeTime": "10m"})}).raise_for_status()
    site.wait("it bakes", lambda: "bake" in site.status(APP))
    cloudwatch = site.account.client("cloudwatch")
    found = cloudwatch.describe_alarms()["MetricAlarms"]
    name = next(
        item["AlarmName"] for item in found if site.namespace in item["AlarmName"] and "Orders" in item["AlarmName"]
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a fault")


def _move(site: Site) -> None:
    site.edit(APP, {"spec": {"parameters": full(site, "c")["parameters"]}}).raise_for_status()
    moved = [{"name": name, "value": "1"} for name in "abd"]
    site.edit(OTHER, {"spec": {"parameters": moved}}).raise_for_status()


def _delete(site: Site) -> None:
    site.delete(APP)


def _attach(site: Site) -> None:
    function = {"mode": "Attach", "name": f"{site.namespace}-{foreign.ATTACHED}", "architecture": "x86_64"}
    site.declare(APP, site.spec({"name": "a", "value": "1"}, function=function, cache={"onChange": "Refresh"}))


def _detach(site: Site) -> None:
    site.edit(APP, {"spec": {"function": None, "cache": None}}).raise_for_status()


FLOWS: dict[str, Flow] = {
    "create": Flow(sources, _create, _stable(1)),
    "edit": Flow(_prepared(sources, _create, _stable(1)), _edit, _stable(2)),
    "shrink": Flow(
        _prepared(sources, lambda site: site.declare(APP, full(site, "ab")), ready(APP)), _shrink, ready(APP)
    ),
    "rollback": Flow(
        _prepared(sources, lambda site: site.declare(APP, full(site, "abc", rollout=BAKE)), _stable(1)),
        _break,
        lambda site: site.wait("it is rolled back", lambda: site.condition(APP)[1] == "RolledBack"),
    ),
    "hand-over": Flow(
        _prepared(
            sources,
            lambda site: site.declare(APP, full(site, "abc")),
            lambda site: site.declare(OTHER, site.spec({"name": "d", "value": "1"}, adoptionPolicy="IfUnowned")),
            ready(APP, OTHER),
        ),
        _move,
        ready(APP, OTHER),
    ),
    "attach": Flow(nothing, _attach, ready(APP)),
    "detach": Flow(_prepared(_attach, ready(APP)), _detach, ready(APP)),
    "deletion": Flow(
        _prepared(sources, lambda site: site.declare(APP, full(site, "ab")), ready(APP)),
        _delete,
        lambda site: site.wait("it is deleted", lambda: site.is_gone(APP)),
    ),
}

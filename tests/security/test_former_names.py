"""Resources that an earlier version named like those of another namespace get new names, without losing protection."""

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.subscriber import Subscriber
from tests.kinds.wire import requests

from dynconfig.engine.outcome import Outcome
from dynconfig.kinds.registry import ALL
from dynconfig.model.declaration import Declaration
from dynconfig.model.resource import Owner

pytestmark = pytest.mark.lab

FEATURES: dict[str, Any] = {
    "alarms": {"topic": True, "drift": True},
    "dashboard": True,
    "parameters": [{"name": "one", "value": "1"}],
}
WRITES = (
    *("PutMetricAlarm", "PutCompositeAlarm", "DeleteAlarms", "PutDashboard", "DeleteDashboards", "SetTopicAttributes"),
    *("PutRule", "PutTargets", "RemoveTargets", "DeleteRule", "CreateSchedule", "DeleteSchedule", "UpdateApi"),
    *("CreateRole", "PutRolePolicy", "DeleteRolePolicy", "DeleteRole", "UpdateFunctionConfiguration", "AddPermission"),
)
TRIGGERS = {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {"authorization": "AWS_IAM"}}


def with_former_names(declaration: Declaration) -> Declaration:
    """The declaration as the earlier version built it."""
    assert declaration.names.former
    return replace(declaration, names=declaration.names.former)


@dataclass
class Before:
    """An object as an earlier version left it; the name of its function is granted by the policy."""

    harness: AwsHarness
    function: str
    spec: dict[str, Any] = field(init=False)
    status: dict[str, Any] = field(init=False)
    former: dict[str, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.spec = {**FEATURES, "function": {"name": self.function, "triggers": TRIGGERS}}
        first = self.harness.settle(with_former_names(self.harness.declare(self.spec)), self.harness.kinds())
        declared = with_former_names(self.harness.declare(self.spec, status=self.harness.status(first)))
        self.status = self.harness.status(self.harness.settle(declared, self.harness.kinds()))
        self.former = self.listed()

    @property
    def declaration(self) -> Declaration:
        return self.harness.declare(self.spec, status=self.status)

    def upgraded(self, **about: Any) -> Outcome:
        declared = self.harness.declare({**self.spec, **about}, status=self.status)
        return self.harness.settle(declared, self.harness.kinds())

    def listed(self) -> dict[str, set[str]]:
        """The names of all resources in AWS that contain the name of the function, by kind."""
        aws = self.harness.aws
        alarms = aws("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        found = {
            "alarms": [item["AlarmName"] for kind in ("MetricAlarms", "CompositeAlarms") for item in alarms[kind]],
            "dashboards": [item["DashboardName"] for item in aws("cloudwatch").list_dashboards()["DashboardEntries"]],
            "topics": [item["TopicArn"].rpartition(":")[2] for item in aws("sns").list_topics()["Topics"]],
            "rules": [item["Name"] for item in aws("events").list_rules()["Rules"]],
            "schedules": [item["Name"] for item in aws("scheduler").list_schedules()["Schedules"]],
            "APIs": [item["Name"] for item in aws("apigatewayv2").get_apis()["Items"]],
            "roles": [item["RoleName"] for item in aws("iam").list_roles()["Roles"]],
        }
        return {kind: {name for name in listed if self.function in name} for kind, listed in found.items()}

    def expected(self) -> dict[str, set[str]]:
        """The names after the upgrade."""
        names = self.declaration.names
        return {
            "alarms": {names.alarm(name.rpartition("/")[2]) for name in self.former["alarms"]},
            "dashboards": {names.dashboard},
            "topics": {names.topic},
            "rules": {names.rule},
            "schedules": {names.schedule},
            "APIs": {names.http_api},
            "roles": {names.role, names.scheduler_role},
        }

    def topic(self) -> str:
        return f"arn:aws:sns:eu-west-1:123456789012:{self.declaration.names.topic}"


@pytest.fixture(params=["shop-eu-orders", "dynconfig-shop-eu"])
def before(request: pytest.FixtureRequest, harness: AwsHarness) -> Before:
    return Before(harness, f"{request.param}-{harness.number}x")


@pytest.mark.parametrize("drift_policy", ["Correct", "Report"])
def test_all_names_change_and_nothing_is_left(before: Before, drift_policy: str) -> None:
    outcome = before.upgraded(driftPolicy=drift_policy)
    assert outcome.drift == ()
    assert before.listed() == before.expected()
    assert before.expected()["alarms"].isdisjoint(before.former["alarms"])
    status = before.harness.status(outcome)
    again = before.harness.settle(before.harness.declare(before.spec, status=status), before.harness.kinds())
    assert again.plan.is_empty
    assert again.drift == ()


def test_alarms_are_created_before_the_former_ones_are_deleted(before: Before) -> None:
    puts = ("PutMetricAlarm", "PutCompositeAlarm")
    with requests(before.harness, "cloudwatch", *puts, "DeleteAlarms") as made:
        # The clients of the operator, not the plain one of the tests.
        before.upgraded()
    names = [request.get("AlarmName") or request["AlarmNames"] for _operation, request in made]
    first = next(number for number, (operation, _request) in enumerate(made) if operation == "DeleteAlarms")
    assert set(names[:first]) == before.expected()["alarms"]
    assert {name for batch in names[first:] for name in batch} == before.former["alarms"]


def test_topic_keeps_its_subscriptions_and_the_new_alarms_may_publish(before: Before) -> None:
    sns = before.harness.aws("sns")
    subscriber = Subscriber(before.harness, before.topic())
    before.upgraded()
    found = sns.list_subscriptions_by_topic(TopicArn=before.topic())["Subscriptions"]
    assert [item["SubscriptionArn"] for item in found] == [subscriber.arn]
    policy = json.loads(sns.get_topic_attributes(TopicArn=before.topic())["Attributes"]["Policy"])
    allowed = policy["Statement"][0]["Condition"]["ArnLike"]["aws:SourceArn"]
    assert allowed.endswith(f":alarm:{before.declaration.names.alarms}*")
    alarm = before.declaration.names.alarm("Drift")
    before.harness.aws("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    subscriber.until_published(alarm, "ALARM")


def test_topic_and_alarms_converge_if_status_is_lost(before: Before) -> None:
    kept = before.expected()["topics"]
    before.status = {}
    outcome = before.harness.settle(before.declaration, before.harness.kinds())
    assert before.listed() == {**before.expected(), "topics": kept}
    assert before.former["topics"] == kept
    before.status = before.harness.status(outcome)
    # The dashboard marks revisions in status, and there was no status before.
    before.status = before.harness.status(before.upgraded())
    assert before.upgraded().plan.is_empty
    assert before.listed()["topics"] == kept


def test_deleted_topic_is_created_with_the_new_name(before: Before) -> None:
    before.status = before.harness.status(before.upgraded())
    before.harness.aws("sns").delete_topic(TopicArn=before.topic())
    outcome = before.upgraded()
    before.status = before.harness.status(outcome)
    assert before.listed()["topics"] == {f"dynconfig-_{before.function}-alarms"} == before.expected()["topics"]
    actions = before.harness.aws("cloudwatch").describe_alarms(AlarmNames=[before.declaration.names.alarm("Drift")])
    assert actions["MetricAlarms"][0]["AlarmActions"] == [before.topic()]


def test_deletion_right_after_the_upgrade_removes_all(before: Before) -> None:
    before.harness.settle(before.harness.deletion(before.spec, before.status), before.harness.kinds())
    assert set().union(*before.listed().values()) == set()


@pytest.mark.parametrize("has_status", [True, False], ids=["status", "status lost"])
def test_deletion_between_the_names_removes_both(before: Before, has_status: bool) -> None:
    """After a kill all new alarms exist beside the former ones, and status names the former ones or none."""
    puts = ("cloudwatch.PutMetricAlarm", "cloudwatch.PutCompositeAlarm")
    before.harness.watch.kill_after(len(before.former["alarms"]) - 1, puts)
    with pytest.raises(KeyboardInterrupt):
        before.upgraded()
    assert before.listed()["alarms"] == before.former["alarms"] | before.expected()["alarms"]
    status = before.status if has_status else None
    before.harness.settle(before.harness.deletion(before.spec, status), before.harness.kinds())
    assert set().union(*before.listed().values()) == set()


@pytest.mark.parametrize("survived", range(0, 24, 3))
def test_upgrade_completes_after_a_kill(before: Before, survived: int) -> None:
    writes = tuple(f"{kind.service}.{name}" for kind in ALL for name in WRITES)
    before.harness.watch.kill_after(survived, writes)
    with suppress(KeyboardInterrupt):
        before.upgraded()
    before.upgraded()
    assert before.listed() == before.expected()


def test_resources_of_another_object_with_the_former_names_stay(harness: AwsHarness) -> None:
    """The object whose names they are owns some of them, and gets the others when they are free."""
    victim = Owner("cluster", "shop", f"eu-{harness.number}x", "uid-2")
    function = f"dynconfig-shop-eu-{harness.number}x"
    spec = {"alarms": FEATURES["alarms"], "dashboard": True, "function": {}}
    watched = [kind for kind in harness.kinds() if kind.value.kind in {"Topic", "Alarm", "CompositeAlarm", "Dashboard"}]
    harness.settle(harness.declare(spec, owner=victim), tuple(watched))
    mine = {**spec, "function": {"name": function, "mode": "Attach"}}
    harness.settle(harness.declare(mine), tuple(watched))
    before = Before.__new__(Before)
    before.harness, before.function = harness, function
    found = before.listed()
    for kind in ("alarms", "topics", "dashboards"):
        assert len({name for name in found[kind] if name.startswith("dynconfig-_")}) * 2 == len(found[kind])
    harness.settle(harness.deletion(mine), tuple(watched))
    assert all(not name.startswith("dynconfig-_") for names in before.listed().values() for name in names)
    assert harness.settle(harness.declare(spec, owner=victim), tuple(watched)).plan.is_empty

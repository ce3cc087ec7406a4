"""Attack: make the operator write, for another object, to resources of an object in sync; the event must requeue the
owner."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.functions import arn

from dynconfig.events.echoes import Echoes
from dynconfig.events.own_calls import KEPT_SECONDS, collect_requests
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventRouter
from dynconfig.events.signals import Signal, parse
from dynconfig.kinds.log_group import LogGroup
from dynconfig.model.key import Key
from dynconfig.model.naming import Names
from dynconfig.model.object_state import ObjectState
from dynconfig.model.writes import PUT
from dynconfig.validation.tenancy import Tenant

VICTIM, ATTACKER = Key("shop", "victim"), Key("evil", "attacker")
AT = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC).timestamp()
USER_AGENT = "Boto3/1.44 dynconfig-operator/0.2.0"


def signal(request: str = "r-victim", *, function: str = "shared", user_agent: str = USER_AGENT) -> Signal:
    """The CloudTrail event of an update of the function's code, by the operator's own role in each case."""
    event = {
        "detail-type": "AWS API Call via CloudTrail",
        "region": "eu-west-1",
        "time": datetime.fromtimestamp(AT, UTC).isoformat(),
        "detail": {
            "eventSource": "lambda.amazonaws.com",
            "eventName": "UpdateFunctionCode20150331v2",
            "userAgent": user_agent,
            "userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/dynconfig-operator/session"},
            "requestID": request,
            "requestParameters": {"functionName": arn(function)},
        },
    }
    found = parse(json.dumps(event))
    assert found is not None
    return found


def document(name: str) -> dict[str, Any]:
    listed = [{"kind": "Function", "name": "shared", "arn": arn("shared")}]
    return {"metadata": {"name": name}, "spec": {"path": f"/{name}"}, "status": {"resources": listed}}


@dataclass
class Scene:
    now: float = AT
    requeued: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        index = ResourceIndex("eu-west-1", Tenant)
        self.router = EventRouter(index, self.requeued.append, lambda: self.now, ObjectState())
        for key in (VICTIM, ATTACKER):
            index.update(key, document(key.name))

    def requeued_by(self, found: Signal) -> set[Key]:
        """The objects that a signal requeues."""
        self.requeued.clear()
        self.router.route([found])
        return set(self.requeued)


@pytest.fixture
def scene() -> Scene:
    """The victim has written once, with this AWS request id."""
    scene = Scene()
    scene.router.record_own_writes(VICTIM, ["r-victim"])
    return scene


def test_write_for_another_object_requeues_the_owner(scene: Scene) -> None:
    scene.router.record_own_writes(ATTACKER, ["r-attacker"])
    assert scene.requeued_by(signal("r-attacker")) == {VICTIM}


def test_own_write_requeues_only_other_objects_that_declare_the_resource(scene: Scene) -> None:
    assert scene.requeued_by(signal()) == {ATTACKER}


@pytest.mark.parametrize("request_id", ["r-another", "", "r-victim "])
def test_same_user_agent_and_role_during_an_own_write_hide_no_event(scene: Scene, request_id: str) -> None:
    assert VICTIM in scene.requeued_by(signal(request_id))


def test_own_write_is_recognised_with_any_user_agent(scene: Scene) -> None:
    assert VICTIM not in scene.requeued_by(signal(user_agent="aws-cli/2"))


def test_event_minutes_later_is_still_delivered(scene: Scene) -> None:
    scene.now = AT + 900
    scene.router.record_own_writes(ATTACKER, ["r-attacker"])
    assert VICTIM not in scene.requeued_by(signal())


def test_ids_are_forgotten_when_no_event_can_arrive_any_more(scene: Scene) -> None:
    scene.now = AT + KEPT_SECONDS + 1
    scene.router.record_own_writes(ATTACKER, ["r-attacker"])
    assert VICTIM in scene.requeued_by(signal())


def test_response_without_an_id_does_not_match_an_event_without_one(scene: Scene) -> None:
    scene.router.record_own_writes(VICTIM, [""])
    assert VICTIM in scene.requeued_by(signal(""))


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (3, 1), (1, 3)])
def test_foreign_write_during_an_own_write_is_one_unmatched_event(ours: int, theirs: int) -> None:
    echoes = Echoes(lambda: AT)
    echoes.begin("eu-west-1")
    for _ in range(ours):
        with echoes.writing("eu-west-1", PUT, ["/shop/a"]):
            pass
    event_of_write = Signal("eu-west-1", AT, PUT, parameters=("/shop/a",))
    news = [not echoes.is_echo(event_of_write) for _ in range(ours + theirs)]
    assert news.count(True) == theirs


@pytest.mark.lab
def test_ids_of_an_objects_writes_are_those_returned_by_aws(harness: AwsHarness) -> None:
    group = Names.of(harness.owner(), "eu-west-1", None, None).log_group
    spec: dict[str, Any] = {"function": {}}
    answered, requests = list[str](), list[str]()
    client, kinds = harness.aws("logs"), harness.kinds(LogGroup)

    def note(parsed: dict[str, Any], **_about: Any) -> None:
        answered.append(parsed["ResponseMetadata"]["RequestId"])

    client.meta.events.register("after-call.cloudwatch-logs.CreateLogGroup", note)
    client.meta.events.register("after-call.cloudwatch-logs.PutRetentionPolicy", note)
    outcome = collect_requests(requests, lambda: harness.settle(harness.declare(spec), kinds))
    assert [item.name for item in outcome.owned if isinstance(item, LogGroup)] == [group]
    assert len(answered) == 2
    assert requests == answered
    made = list(requests)
    harness.settle(harness.declare({"function": {"logRetentionDays": 30}}, generation=2), kinds)
    assert requests == made

"""Attack: have the operator write, for another object, to what an object in sync owns; the event of it must wake the owner."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engine.toy import Toy, declared
from tests.kinds.functions import arn

from dynconfig.engine.agenda import Key
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import Plan, Step, Update
from dynconfig.engine.resource import Resource
from dynconfig.engine.signals import Signal, parse
from dynconfig.engine.tenancy import Tenant
from dynconfig.kube.spoken import Spoken

VICTIM, ATTACKER = Key("shop", "victim"), Key("evil", "attacker")
AT = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC).timestamp()
USER_AGENT = "Boto3/1.44 dynconfig-operator/0.2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Resource):
    arn: str = field(default="", metadata={"compare": False})


def signal(at: float = AT, user_agent: str = USER_AGENT, function: str = "shared") -> Signal:
    """What CloudTrail tells of an update of the function's code."""
    event = {
        "detail-type": "AWS API Call via CloudTrail",
        "region": "eu-west-1",
        "time": datetime.fromtimestamp(at, UTC).isoformat(),
        "detail": {
            "eventSource": "lambda.amazonaws.com",
            "eventName": "UpdateFunctionCode20150331v2",
            "userAgent": user_agent,
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
    woken: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spoken = Spoken("eu-west-1", self.woken.append, Tenant, lambda: self.now)
        for key in (VICTIM, ATTACKER):
            self.spoken.note(key, document(key.name))

    def writes(self, key: Key, began: float, ended: float, name: str = "shared") -> None:
        """An object is reconciled, with a write to a function."""
        function = Function(name=name, arn=arn(name))
        step = Step(Toy(), Update(function, replace(function), ()))
        self.now = ended
        self.spoken.served(key, Outcome(declared({}), Plan((step,))), began)

    def heard(self, found: Signal) -> set[Key]:
        """Whom a signal wakes."""
        self.woken.clear()
        self.spoken.heard([found])
        return set(self.woken)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_write_that_the_operator_made_for_another_object_wakes_the_owner(scene: Scene) -> None:
    scene.writes(ATTACKER, AT - 1, AT + 1)
    assert scene.heard(signal()) == {VICTIM}


def test_an_own_write_wakes_nobody_else_than_the_others_that_name_the_resource(scene: Scene) -> None:
    scene.writes(VICTIM, AT - 1, AT + 1)
    assert scene.heard(signal()) == {ATTACKER}


@pytest.mark.parametrize("at", [AT - 60, AT + 60])
def test_only_what_was_written_in_that_moment_is_own(scene: Scene, at: float) -> None:
    scene.writes(VICTIM, at - 1, at + 1)
    assert VICTIM in scene.heard(signal())


def test_a_write_to_something_else_in_that_moment_does_not_hide_it(scene: Scene) -> None:
    scene.writes(VICTIM, AT - 1, AT + 1, "other")
    assert VICTIM in scene.heard(signal())


def test_an_event_that_comes_minutes_later_is_still_told(scene: Scene) -> None:
    scene.writes(VICTIM, AT - 1, AT + 1)
    scene.now = AT + 900
    scene.writes(ATTACKER, AT + 899, AT + 900)
    assert VICTIM not in scene.heard(signal())


def test_a_person_with_another_user_agent_is_never_taken_for_the_operator(scene: Scene) -> None:
    scene.writes(VICTIM, AT - 1, AT + 1)
    assert scene.heard(signal(user_agent="aws-cli/2")) == {VICTIM, ATTACKER}


def test_a_stranger_with_the_operators_user_agent_wakes_the_owner(scene: Scene) -> None:
    assert VICTIM in scene.heard(signal())

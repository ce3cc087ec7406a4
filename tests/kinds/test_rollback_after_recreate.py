"""A recreated object starts without a stable revision, regardless of cached state of its predecessor."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness
from tests.rollout.rollout_harness import FakeAlarm

from dynconfig import wiring
from dynconfig.aws.tag_index import ParameterTagIndex
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.labels import ParameterLabels
from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import RoleNotReady
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.rollout.state import Alarming
from dynconfig.settings import Settings
from dynconfig.status import report
from dynconfig_lab.aws.accounts import ACCOUNT

pytestmark = pytest.mark.lab

BAKE = 60.0


@dataclass
class LateFakeAlarm(FakeAlarm):
    """A kind whose first creation fails, like a function whose role is not visible yet."""

    failures: int = 1

    def put(self, desired: Alarming, observed: Alarming | None) -> Alarming:
        """Succeed at the second attempt."""
        self.failures -= 1
        if self.failures >= 0:
            raise RoleNotReady("the role is not known yet")
        return super().put(desired, observed)


@dataclass
class Life:
    """One operator process during the deletion and recreation of an object."""

    harness: AwsHarness
    alarm: LateFakeAlarm = field(default_factory=LateFakeAlarm)
    status: dict[str, Any] = field(default_factory=dict)
    generation: int = 0
    value: str = "1"

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Restart the process, with empty caches."""
        session, clock = self.harness.session, self.harness.clock
        tagged = ParameterTagIndex(session.client("resourcegroupstaggingapi", REGION), clock)
        labels = ParameterLabels(session.client("ssm", REGION), tagged)
        about = wiring.context(session, REGION, Settings(), lambda: ACCOUNT, clock, tag_index=tagged, labels=labels)
        parameters = Parameters(about)
        self.engine = Engine(lambda _place: (parameters, self.alarm), lambda _place: labels)

    def apply(self, value: str, now: float, uid: str = "uid-1") -> Outcome:
        """Reconcile until nothing is due immediately."""
        self.value = value
        for _ in range(10):
            owner = self.harness.owner(uid=uid)
            declared = self.harness.declare(
                self.spec(), generation=self.generation, status=self.status or None, owner=owner
            )
            outcome = self.run(declared, now)
            if outcome.is_complete and outcome.requeue_after != 0:
                return outcome
        raise AssertionError("it does not settle")

    def spec(self) -> dict[str, Any]:
        """The declared object."""
        return {
            "parameters": [{"name": name, "value": self.value if name == "a" else "1"} for name in "abc"],
            "rollout": {"bakeTime": "60s"},
        }

    def run(self, declaration: Declaration, now: float) -> Outcome:
        """Reconcile once and build the status."""
        outcome = self.engine.run(declaration, now=now)
        self.status = report.status(outcome, PreviousStatus.of(self.status), now, None)
        return outcome

    def edit(self, value: str, now: float, uid: str = "uid-1") -> Outcome:
        """Edit the object: a new generation."""
        self.generation += 1
        return self.apply(value, now, uid)

    @property
    def reason(self) -> str:
        """The reason of condition Ready."""
        return str(self.status["conditions"][0]["reason"])


def recreated(harness: AwsHarness) -> tuple[Life, float]:
    """An object that was stable, deleted, and created again with an interruption; and when."""
    life, now = Life(harness), _aws_now(harness)
    life.edit("1", now)
    life.apply("1", now + BAKE + 2)
    assert life.reason == "InSync"
    life.run(harness.deletion({}, life.status), now + BAKE + 3)
    assert harness.versions() == {}
    harness.clock.now += 60
    life.status, life.alarm = {}, LateFakeAlarm()
    life.generation = 0
    return life, now


def _aws_now(harness: AwsHarness) -> float:
    """The modification time in SSM."""
    harness.put_by_hand("clock")
    answer = harness.aws().get_parameter(Name=f"{harness.path}/clock")
    harness.aws().delete_parameter(Name=f"{harness.path}/clock")
    return float(answer["Parameter"]["LastModifiedDate"].timestamp())


def test_rollback_after_recreation_deletes_nothing(harness: AwsHarness) -> None:
    life, now = recreated(harness)
    life.edit("1", now + 1, "uid-2")
    life.edit("2", now + 2, "uid-2")
    life.alarm.since = now + 5
    life.apply("2", now + 6, "uid-2")
    assert sorted(harness.versions()) == ["a", "b", "c"]
    assert life.reason == "AlarmFiring"
    assert "no stable revision" in life.status["conditions"][0]["message"]


def test_revision_after_recreation_bakes_and_can_be_restored(harness: AwsHarness) -> None:
    life, now = recreated(harness)
    life.edit("1", now + 1, "uid-2")
    assert life.reason == "Baking"
    life.apply("1", now + BAKE + 4, "uid-2")
    assert life.reason == "InSync"
    life.edit("2", now + 3, "uid-2")
    life.alarm.since = _aws_now(harness) + 5
    life.apply("2", now + 10, "uid-2")
    assert life.reason == "RolledBack"
    assert {name: harness.value(name) for name in "abc"} == {"a": "1", "b": "1", "c": "1"}


def test_parameter_recreated_at_the_same_version_is_read_again(harness: AwsHarness) -> None:
    tagged = ParameterTagIndex(harness.session.client("resourcegroupstaggingapi", REGION), harness.clock)
    found = ParameterLabels(harness.session.client("ssm", REGION), tagged)
    spec = {"parameters": [{"name": "a", "value": "1"}]}
    (owned,) = harness.apply(harness.declare(spec)).owned
    assert isinstance(owned, Parameter)
    found.mark_stable([owned])
    harness.aws().delete_parameter(Name=owned.name)
    again = replace(owned, last_modified=(owned.last_modified or 0.0) + 40)
    harness.put_by_hand("a", "1")
    assert [item.name for item in found.compare_with_stable([again]).unstable] == [owned.name]


@dataclass
class RotatedLife(Life):
    """A secret that is stable under one KMS key and changed under another."""

    keys: tuple[str, ...] = ()

    def spec(self) -> dict[str, Any]:
        """The declared object."""
        reference = {"secretKeyRef": {"name": "db", "key": "password"}}
        return {
            "parameters": [
                {"name": "a", "value": "1"},
                {"name": "pw", "valueFrom": reference, "kmsKeyId": self.keys[self.generation - 1]},
            ],
            "rollout": {"bakeTime": "60s"},
        }


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("is_marked", [False, True], ids=["before-the-decision", "after-the-decision"])
def test_unreadable_parameter_is_neither_deleted_nor_stable(
    harness: AwsHarness, is_restarted: bool, is_marked: bool
) -> None:
    kms = harness.aws("kms")
    keys = tuple(kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    life, now = RotatedLife(harness, keys=keys), _aws_now(harness)
    harness.secrets["db/password"] = "good"
    life.edit("1", now)
    life.apply("1", now + BAKE + 2)
    assert life.reason == "InSync"
    harness.secrets["db/password"] = "bad"
    life.edit("1", now + 3)
    if is_marked:
        label = f"rejected-{life.generation}-{harness.owner().uid[:8]}"
        for name, version in (("a", 1), ("pw", 2)):
            path = f"{harness.path}/{name}"
            harness.aws().label_parameter_version(Name=path, ParameterVersion=version, Labels=[label])
        life.restart()
    life.alarm.since = _aws_now(harness) + 5
    kms.disable_key(KeyId=keys[0])
    if is_restarted:
        life.restart()
    life.apply("1", now + 10)
    harness.clock.now += 60
    life.apply("1", now + 20)
    stable = f"{harness.path}/pw:stable"
    assert harness.versions() == {"a": 1, "pw": 2}
    assert harness.aws().get_parameters(Names=[stable])["Parameters"][0]["Version"] == 1
    kms.enable_key(KeyId=keys[0])
    if is_marked:
        life.restart()
    life.alarm.since = _aws_now(harness) + 5
    life.apply("1", now + 30)
    assert harness.value("pw") == "good"

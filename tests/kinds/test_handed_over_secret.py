"""A parameter handed over with a Secret's text: masked, no drift, and written once."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.test_rollback_after_recreate import Life, _aws_now

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG

pytestmark = pytest.mark.lab

CANARY = "canary-one"


class Adopting(Life):
    """An object that adopts a parameter with a Secret's text."""

    policy = "CreateOnly"
    bake = "5s"

    def spec(self) -> dict[str, Any]:
        """The declared object."""
        moved = {"name": "p2", "value": "zzz", "valuePolicy": self.policy}
        return {
            "adoptionPolicy": "IfUnowned",
            "rollout": {"bakeTime": self.bake},
            "parameters": [{"name": "q", "value": "1"}, moved],
        }

    def turns(self, now: float, count: int = 6) -> list[int]:
        """Reconcile several times; return the versions of the parameter after each."""
        versions = []
        for turn in range(count):
            declared = self.harness.declare(
                self.spec(), generation=self.generation, status=self.status or None, owner=self.harness.owner()
            )
            self.run(declared, now + turn * 10)
            versions.append(self.harness.versions()["p2"])
        return versions


def test_value_is_written_once(harness: AwsHarness) -> None:
    life, now = Adopting(harness), _aws_now(harness)
    harness.put_by_hand("p2", CANARY)
    life.generation = 1
    tags = [{"Key": OWNER_TAG, "Value": harness.owner().tag}, {"Key": FROM_SECRET_TAG, "Value": "true"}]
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/p2", Tags=tags)
    assert set(life.turns(now)) == {1}
    life.policy, life.bake, life.generation = "Enforce", "300s", 2
    assert set(life.turns(now + 60)) == {2}
    life.alarm.since = _aws_now(harness) + 65
    life.generation = 3
    assert set(life.turns(now + 120)) == {2}

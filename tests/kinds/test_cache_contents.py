"""The parameter cache does not grow with the length of values, and contains no text of a Secret."""

from collections.abc import Callable

import pytest
from tests.kinds.aws_harness import REQUESTED, AwsHarness
from tests.kube.test_kept_memory import kept_bytes
from tests.rollout.rollout_harness import RolloutHarness

from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Declaration

COUNT = 10
SHORT, LONG = 8, 4000
# Variation of the size of a map with the same entries: less than one value.
TOLERATED_BYTES = LONG - 1
START, BAKE = 1000.0, 600.0


def text(index: int, length: int, mark: str) -> str:
    return f"{mark}{index}".ljust(length, "x")


def declared(harness: AwsHarness, length: int, mark: str, generation: int = 1) -> Declaration:
    """Secrets and plain values of a length; another mark makes other values."""
    parameters: list[dict[str, object]] = []
    for index in range(COUNT):
        harness.secrets[f"s/k{index}"] = text(index, length, mark)
        reference = {"secretKeyRef": {"name": "s", "key": f"k{index}"}}
        parameters.append({"name": f"secret-{index}", "type": "SecureString", "valueFrom": reference})
        plain = {"secretKeyRef": {**reference["secretKeyRef"], "allowPlaintext": True}}
        parameters.append({"name": f"marked-{index}", "type": "String", "valueFrom": plain})
        parameters.append({"name": f"plain-{index}", "value": text(index, length, mark)})
    return harness.declare({"parameters": parameters}, generation=generation, metadata=REQUESTED)


def written(harness: AwsHarness, engine: Engine, length: int) -> None:
    assert engine.run(declared(harness, length, "a")).is_complete


def seen_after_a_restart(harness: AwsHarness, engine: Engine, length: int) -> None:
    assert Engine(lambda _place: (harness.parameters(),)).run(declared(harness, length, "a")).is_complete
    assert engine.run(declared(harness, length, "a")).plan.is_empty


def seen_again(harness: AwsHarness, engine: Engine, length: int) -> None:
    written(harness, engine, length)
    assert engine.run(declared(harness, length, "a")).plan.is_empty


def edited(harness: AwsHarness, engine: Engine, length: int) -> None:
    written(harness, engine, length)
    assert len(engine.run(declared(harness, length, "b", generation=2)).applied) == 3 * COUNT


@pytest.mark.lab
@pytest.mark.parametrize("act", [written, seen_after_a_restart, seen_again, edited])
def test_no_value_is_kept_between_reconciles(
    harness: AwsHarness, act: Callable[[AwsHarness, Engine, int], None]
) -> None:
    kept = []
    for length in (SHORT, LONG):
        kind = harness.parameters()
        engine = Engine(lambda _place, kind=kind: (kind,))  # type: ignore[misc]
        act(harness, engine, length)
        # The session is shared by all objects: its models of AWS APIs and its quotas are created when they are first used.
        kept.append(kept_bytes([engine, kind, harness.session]) - kept_bytes(harness.session))
        assert engine.run(harness.deletion({"parameters": []})).is_complete
        harness.clock.now += 3600
    assert kept[1] - kept[0] < TOLERATED_BYTES


def rolled_back(length: int) -> RolloutHarness:
    """An object whose second revision was rolled back."""
    names = [f"p{index}" for index in range(COUNT)]
    rollout = RolloutHarness(values={name: text(0, length, "a") for name in names})
    rollout.settle(START)
    rollout.settle(START + BAKE)
    rollout.edit(**{name: text(0, length, "b") for name in names})
    rollout.settle(START + 2 * BAKE)
    rollout.alarm.since = START + 2 * BAKE + 5
    rollout.settle(START + 2 * BAKE + 6)
    assert rollout.ready == ("False", "RolledBack")
    return rollout


@pytest.mark.parametrize("later", [0.0, 400.0], ids=["at once", "later"])
def test_no_value_is_kept_of_a_rolled_back_change(later: float) -> None:
    kept = []
    for length in (SHORT, LONG):
        rollout = rolled_back(length)
        rollout.settle(START + 2 * BAKE + 6 + later)
        kept.append(kept_bytes(rollout.engine))
        assert rollout.reconcile().plan.is_empty
        assert set(rollout.shown.values()) == {text(0, length, "a")}
    assert kept[1] - kept[0] < TOLERATED_BYTES

"""What is kept of parameters between two looks does not grow with the length of their values, and no text of a Secret is kept."""

from collections.abc import Callable

import pytest
from tests.engine.shelf import Stage
from tests.kinds.workshop import ASKED, Workshop
from tests.kube.test_kept_memory import kept_bytes

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.reconcile import Engine

COUNT = 10
SHORT, LONG = 8, 4000
# How much fuller a map of the same entries happens to be: less than one value.
TOLERATED_BYTES = LONG - 1
START, BAKE = 1000.0, 600.0


def text(index: int, length: int, mark: str) -> str:
    return f"{mark}{index}".ljust(length, "x")


def declared(workshop: Workshop, length: int, mark: str, generation: int = 1) -> Declaration:
    """Secrets and plain values of a length; what the mark is makes them others."""
    parameters: list[dict[str, object]] = []
    for index in range(COUNT):
        workshop.secrets[f"s/k{index}"] = text(index, length, mark)
        reference = {"secretKeyRef": {"name": "s", "key": f"k{index}"}}
        parameters.append({"name": f"secret-{index}", "type": "SecureString", "valueFrom": reference})
        plain = {"secretKeyRef": {**reference["secretKeyRef"], "allowPlaintext": True}}
        parameters.append({"name": f"marked-{index}", "type": "String", "valueFrom": plain})
        parameters.append({"name": f"plain-{index}", "value": text(index, length, mark)})
    return workshop.declare({"parameters": parameters}, generation=generation, metadata=ASKED)


def written(workshop: Workshop, engine: Engine, length: int) -> None:
    assert engine.run(declared(workshop, length, "a")).is_complete


def seen_after_a_restart(workshop: Workshop, engine: Engine, length: int) -> None:
    assert Engine(lambda _place: (workshop.parameters(),)).run(declared(workshop, length, "a")).is_complete
    assert engine.run(declared(workshop, length, "a")).plan.is_empty


def seen_again(workshop: Workshop, engine: Engine, length: int) -> None:
    written(workshop, engine, length)
    assert engine.run(declared(workshop, length, "a")).plan.is_empty


def edited(workshop: Workshop, engine: Engine, length: int) -> None:
    written(workshop, engine, length)
    assert len(engine.run(declared(workshop, length, "b", generation=2)).applied) == 3 * COUNT


@pytest.mark.lab
@pytest.mark.parametrize("act", [written, seen_after_a_restart, seen_again, edited])
def test_no_value_is_kept_between_two_looks(workshop: Workshop, act: Callable[[Workshop, Engine, int], None]) -> None:
    kept = []
    for length in (SHORT, LONG):
        kind = workshop.parameters()
        engine = Engine(lambda _place, kind=kind: (kind,))  # type: ignore[misc]
        act(workshop, engine, length)
        kept.append(kept_bytes([engine, kind]))
        assert engine.run(workshop.goodbye({"parameters": []})).is_complete
        workshop.clock.now += 3600
    assert kept[1] - kept[0] < TOLERATED_BYTES


def undone(length: int) -> Stage:
    """An object whose second revision was undone."""
    names = [f"p{index}" for index in range(COUNT)]
    stage = Stage(values={name: text(0, length, "a") for name in names})
    stage.settle(START)
    stage.settle(START + BAKE)
    stage.edit(**{name: text(0, length, "b") for name in names})
    stage.settle(START + 2 * BAKE)
    stage.bell.since = START + 2 * BAKE + 5
    stage.settle(START + 2 * BAKE + 6)
    assert stage.ready == ("False", "RolledBack")
    return stage


@pytest.mark.parametrize("later", [0.0, 400.0], ids=["at once", "later"])
def test_no_value_is_kept_of_a_change_that_was_undone(later: float) -> None:
    kept = []
    for length in (SHORT, LONG):
        stage = undone(length)
        stage.settle(START + 2 * BAKE + 6 + later)
        kept.append(kept_bytes(stage.engine))
        assert stage.look().plan.is_empty
        assert set(stage.shown.values()) == {text(0, length, "a")}
    assert kept[1] - kept[0] < TOLERATED_BYTES

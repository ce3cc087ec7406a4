"""Resources without AWS events are polled each minute, in addition to the resync."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from tests.engine.fake_kind import OWNER, declared
from tests.kube.test_requeue_policy import KEY, VALUES, Scene, after_event, outcome

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.kube.resync import Listed
from dynconfig.model.errors import Refused
from dynconfig.model.resource import Resource


class Attachment(Resource):
    """A resource of the kind without AWS events."""

    kind: ClassVar[str] = "Attachment"


@pytest.fixture
def scene() -> Scene:
    return Scene()


def attached(**about: Any) -> Outcome:
    """An outcome of an object that has one."""
    return replace(outcome(**about), owned=(Attachment(name="f", owner=OWNER.tag),))


def is_poll(scene: Scene) -> bool:
    status = {"observedGeneration": 1, "appliedGeneration": 1}
    return scene.times.narrowed_if_polling(KEY, declared(VALUES, status=status)).is_partial


def test_resources_without_events_are_polled_each_minute_besides_the_resync(scene: Scene) -> None:
    assert scene.served(attached()) == 60
    polls = 0
    while scene.seconds < 3600:
        scene.seconds += scene.due_in()
        assert scene.take() == KEY
        if not is_poll(scene):
            break
        polls += 1
        scene.times.schedule_next(KEY, after_event(attached()))
        scene.times.done(KEY)
    assert 540 <= scene.seconds <= 660 + 60
    assert polls >= 8


def test_requeued_object_is_fully_reconciled_even_if_a_poll_is_due(scene: Scene) -> None:
    scene.served(attached())
    scene.seconds += 60
    scene.times.requeue(KEY)
    assert scene.take() == KEY
    assert not is_poll(scene)


def test_object_requeued_during_a_poll_is_fully_reconciled_afterwards(scene: Scene) -> None:
    scene.served(attached())
    scene.seconds += 60
    assert scene.take() == KEY
    assert is_poll(scene)
    scene.times.requeue(KEY)
    scene.times.schedule_next(KEY, after_event(attached()))
    scene.times.done(KEY)
    assert scene.take() == KEY
    assert not is_poll(scene)


def test_stalled_object_is_not_polled(scene: Scene) -> None:
    assert scene.served(replace(attached(), stopped=Refused("no"))) >= 540


def test_object_is_polled_after_a_restart(scene: Scene) -> None:
    document = {
        "metadata": {"generation": 1, "finalizers": [names.FINALIZER]},
        "spec": {"path": "/a"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "observedGeneration": 1,
            "appliedGeneration": 1,
            "operatorVersion": __version__,
            "lastObservedTime": datetime.fromtimestamp(1.8e9, UTC).isoformat(),
            "resources": [{"kind": "Attachment", "name": "f", "arn": ""}],
        },
    }
    scene.times.schedule_listed(KEY, Listed.of(document))
    assert scene.due_in() == 60

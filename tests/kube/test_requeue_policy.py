"""When each object is requeued: at once after a change, with backoff after failures, else at its resync."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, FakeKind, declared

from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.kube.requeue_policy import LONGEST_BACKOFF, LONGEST_WAIT, RequeuePolicy
from dynconfig.kube.resync import Listed
from dynconfig.kube.work_queue import MOST_TURNED_AWAY_OF_NAMESPACE, Priority, WorkQueue
from dynconfig.model.errors import AlarmFiring, Conflict, Refused, Retryable, RoleNotReady, Settling, Throttled
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

KEY = Key(OWNER.namespace, OWNER.name)
VALUES = {"a": "1"}


class Scene:
    """A requeue policy with a manual clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.set_by = 0.0
        """How far the time of day was set."""
        self.work_queue = WorkQueue()
        self.state = ObjectState[Key]()
        now = lambda: 1.8e9 + self.seconds + self.set_by  # noqa: E731
        self.times = RequeuePolicy(self.work_queue, lambda: self.seconds, now, self.state)

    def due_in(self) -> float:
        """Seconds until the only object is due."""
        at = self.work_queue.next_at()
        assert at is not None
        return at - self.seconds

    def take(self) -> Key:
        """The object that is due now."""
        return asyncio.run(asyncio.wait_for(self.times.next(), 5))

    def served(self, outcome: Outcome) -> float:
        """Serve the object; seconds until it is due again."""
        self.times.requeue(KEY)
        assert self.take() == KEY
        self.times.schedule_next(KEY, outcome)
        self.times.done(KEY)
        return self.due_in()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def outcome(fake: FakeKind | None = None, **about: Any) -> Outcome:
    return (fake or FakeKind()).engine().run(declared(VALUES, **about))


def after_event(found: Outcome) -> Outcome:
    """Return the outcome as of a reconcile limited to the resources of an event."""
    status = {"observedGeneration": 1, "appliedGeneration": 1}
    return replace(found, declaration=replace(declared(VALUES, status=status), changed={"/app/a": ""}))


def test_object_in_sync_is_requeued_at_its_resync(scene: Scene) -> None:
    assert 540 <= scene.served(outcome()) <= 660


def test_partial_reconcile_does_not_postpone_the_resync(scene: Scene) -> None:
    scene.served(outcome())
    for _ in range(5):
        scene.seconds += 100
        assert scene.served(after_event(outcome())) <= 660 - scene.seconds
    assert scene.times.oldest_observation() == pytest.approx(500)
    scene.seconds += 200
    # The resync is overdue, and spread like those of others.
    assert 0 <= scene.served(after_event(outcome())) <= 60
    scene.served(outcome())
    assert scene.times.oldest_observation() == 0


@pytest.mark.parametrize("set_by", [-7200.0, 7200.0])
def test_setting_the_clock_neither_delays_nor_hastens_the_resync(scene: Scene, set_by: float) -> None:
    scene.served(outcome())
    scene.seconds += 100
    scene.set_by = set_by
    assert scene.times.oldest_observation() == pytest.approx(100)
    assert 440 <= scene.served(after_event(outcome())) <= 560
    scene.seconds += 100
    assert 340 <= scene.served(after_event(outcome())) <= 460
    assert 540 <= scene.served(outcome()) <= 660


def test_retryable_error_has_exponential_backoff(scene: Scene) -> None:
    fake = FakeKind(failures={"/app/a": Throttled("slow")})
    waits = [scene.served(outcome(fake)) for _ in range(12)]
    assert waits[0] <= 0.5
    assert waits[-1] >= LONGEST_BACKOFF / 2
    assert max(waits) <= LONGEST_BACKOFF


def test_delay_of_a_throttled_error_is_used(scene: Scene) -> None:
    fake = FakeKind(failures={"/app/a": Throttled("slow", delay=7.0)})
    assert scene.served(outcome(fake)) == pytest.approx(7.0)


def test_terminal_error_waits_for_the_resync(scene: Scene) -> None:
    assert scene.served(outcome(FakeKind(failures={"/app/a": Refused("no")}))) >= 540


def test_failed_deletion_is_retried_without_an_edit(scene: Scene) -> None:
    refused = outcome(FakeKind(failures={"/app/a": Refused("theirs/alarm refers to it")}))
    failed = replace(refused, declaration=replace(refused.declaration, deleting=True))
    waits = [scene.served(failed) for _ in range(12)]
    assert LONGEST_BACKOFF / 2 <= max(waits) <= LONGEST_BACKOFF


def test_stalled_object_is_requeued_at_the_resync_only(scene: Scene) -> None:
    stalled = outcome(FakeKind(failures={"/app/a": Refused("no")}))
    unseen = replace(stalled, was_observed=False)
    scene.served(outcome())
    for _ in range(5):
        scene.seconds += 600
        assert scene.served(unseen) >= 540


def test_repeated_conflict_has_increasing_delays(scene: Scene) -> None:
    fake = FakeKind(failures={"/app/a": Conflict("concurrent write", delay=1.0)})
    waits = [scene.served(outcome(fake)) for _ in range(12)]
    assert waits[0] == pytest.approx(1.0)
    assert min(waits) >= 0.999
    assert waits[-1] >= LONGEST_BACKOFF / 2
    assert max(waits) <= LONGEST_BACKOFF


@pytest.mark.parametrize(
    "error",
    [
        Throttled("rate", delay=2.0),
        AlarmFiring("it fires", delay=2.0),
        Settling("in progress", delay=2.0),
        RoleNotReady("not known", delay=2.0),
    ],
    ids=lambda error: error.reason,
)
def test_exact_delay_does_not_grow(scene: Scene, error: Retryable) -> None:
    failed = replace(outcome(), stopped=error)
    assert [scene.served(failed) for _ in range(12)] == [pytest.approx(2.0)] * 12


def test_deletion_delay_of_a_name_is_used(scene: Scene) -> None:
    failed = replace(outcome(), stopped=Conflict("deleted recently", delay=30.0))
    assert [scene.served(failed) for _ in range(6)] == [pytest.approx(30.0)] * 6


def test_age_of_an_unobserved_object_counts_from_its_listing(scene: Scene) -> None:
    scene.times.track(KEY)
    scene.seconds += 120
    assert scene.served(replace(outcome(), stopped=Throttled("slow"), was_observed=False)) <= 1
    assert scene.times.oldest_observation() == pytest.approx(120)


def test_after_a_restart_the_age_counts_from_the_reported_observation(scene: Scene) -> None:
    document = {
        "metadata": {"generation": 2},
        "spec": {"path": "/app"},
        "status": {"observedGeneration": 1, "lastObservedTime": "2027-01-15T06:00:00Z"},
    }
    scene.times.schedule_listed(KEY, Listed.of(document))
    assert scene.take() == KEY
    assert scene.times.oldest_observation() == pytest.approx(7200)


def test_success_resets_the_backoff(scene: Scene) -> None:
    fake = FakeKind(failures={"/app/a": Throttled("slow")})
    for _ in range(8):
        scene.served(outcome(fake))
    scene.served(outcome())
    assert scene.served(outcome(fake)) <= 0.5


def test_objects_in_sync_are_spread_after_a_restart(scene: Scene) -> None:
    ready = {
        "metadata": {"generation": 1, "finalizers": [names.FINALIZER]},
        "spec": {"path": "/app", "parameters": []},
        "status": {
            "observedGeneration": 1,
            "appliedGeneration": 1,
            "operatorVersion": declared({}).operator_version,
            "lastObservedTime": "2027-01-15T07:59:00Z",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    for number in range(100):
        scene.times.schedule_listed(Key("shop", str(number)), Listed.of(ready))
    assert scene.times.waiting() == 0
    assert scene.times.oldest_observation() == pytest.approx(60)
    scene.times.schedule_listed(KEY, Listed.of({**ready, "status": None}))
    assert scene.take() == KEY


def test_change_does_not_wait_for_the_resync(scene: Scene) -> None:
    scene.served(outcome())
    scene.times.requeue(KEY)
    assert scene.take() == KEY


def test_later_requeue_does_not_postpone_an_earlier_one(scene: Scene) -> None:
    scene.times.requeue_after(KEY, 5.0, Priority.RESYNC)
    scene.times.requeue_after(KEY, 50.0, Priority.RESYNC)
    assert scene.due_in() == 5.0


def test_waiting_worker_is_notified_of_a_change(scene: Scene) -> None:
    async def both() -> Key:
        waiting = asyncio.create_task(scene.times.next())
        await asyncio.sleep(0)
        scene.times.requeue(KEY)
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(both()) == KEY


def test_deleted_object_is_not_due(scene: Scene) -> None:
    scene.served(outcome())
    scene.state.forget(KEY)
    assert scene.work_queue.next_at() is None
    assert scene.times.oldest_observation() == 0


def test_resource_owned_by_another_object_is_retried_within_seconds_then_minutes(scene: Scene) -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES, owner=RIVAL))
    waits = []
    for _ in range(12):
        waits.append(scene.served(outcome(fake, resyncInterval="24h")))
        scene.seconds += waits[-1]
    assert 1 <= waits[0] <= 2
    assert LONGEST_WAIT / 2 <= waits[-1] <= LONGEST_WAIT


@pytest.mark.parametrize("owner", ["", replace(RIVAL, cluster="other").tag], ids=["unowned", "of another cluster"])
def test_resource_owned_elsewhere_waits_for_the_resync(scene: Scene, owner: str) -> None:
    fake = FakeKind()
    fake.by_hand("/app/a", owner=owner)
    assert 540 <= scene.served(outcome(fake)) <= 660


def test_wait_is_cancelled_even_if_a_change_arrives_at_the_same_time() -> None:
    async def act() -> None:
        times = RequeuePolicy(WorkQueue(), lambda: 0.0, lambda: 1.8e9, ObjectState())
        waiting = asyncio.create_task(times.next())
        await asyncio.sleep(0)
        times.requeue_after(KEY, 1000.0, Priority.RESYNC)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 1)

    asyncio.run(act())


@pytest.mark.parametrize("was_observed", [True, False])
def test_only_resyncs_that_wait_to_observe_keep_others_from_beginning(scene: Scene, *, was_observed: bool) -> None:
    found = replace(outcome(), stopped=Throttled("slow", delay=60.0), was_observed=was_observed)
    for number in range(MOST_TURNED_AWAY_OF_NAMESPACE):
        scene.times.requeue_after(Key("shop", str(number)), 0.0, Priority.RESYNC)
        key = scene.take()
        scene.times.schedule_next(key, found)
        scene.times.done(key)
    scene.times.requeue_after(KEY, 0.0, Priority.RESYNC)
    assert scene.work_queue.take(scene.seconds) == (KEY if was_observed else None)

"""Status: the values of Ready, conditions that exist only while true, and transition times."""

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import RIVAL, FakeKind, declared, deletion

from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Place
from dynconfig.model.errors import InvalidSpec, Refused, SourceMissing, Terminal, Throttled
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.quota_wait import QuotaWait
from dynconfig.model.timestamps import moment, timestamp
from dynconfig.status import kube_events, report

VALUES = {"a": "1", "b": "2"}
NOW = 1.8e9
LATER = NOW + 60


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


def status_of(outcome: Outcome, previous: dict[str, Any] | None = None, now: float = NOW) -> dict[str, Any]:
    return report.status(outcome, PreviousStatus.of(previous), now, None)


def applied(fake: FakeKind) -> dict[str, Any]:
    return status_of(fake.engine().run(declared(VALUES)))


def test_in_sync() -> None:
    status = applied(FakeKind())
    assert conditions(status) == {"Ready": ("True", "InSync")}
    assert status["counts"] == {"declared": 2, "inSync": 2, "summary": "2/2"}
    assert status["observedGeneration"] == status["appliedGeneration"] == 1
    assert [item["version"] for item in status["parameters"]] == [1, 1]
    assert "drift" not in status
    assert "value" not in str(status["parameters"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Throttled("slow"), {"Ready": ("Unknown", "Throttled"), "Reconciling": ("True", "Throttled")}),
        (Refused("no"), {"Ready": ("False", "Refused"), "Stalled": ("True", "Refused")}),
    ],
)
def test_transient_failure_is_unknown_and_terminal_failure_is_false(
    error: Any, expected: dict[str, tuple[str, str]]
) -> None:
    fake = FakeKind(failures={"/app/b": error})
    status = status_of(fake.engine().run(declared(VALUES)))
    assert conditions(status) == expected
    assert status["conditions"][0]["message"].startswith("1 of 2 changes applied; then: ")
    assert status["counts"]["summary"] == "1/2"
    assert "appliedGeneration" not in status


def test_invalid_declaration_keeps_the_last_report() -> None:
    before = applied(FakeKind())
    status = report.failure(InvalidSpec("spec.path: wrong"), 2, PreviousStatus.of(before), LATER, None)
    assert conditions(status) == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}
    assert status["observedGeneration"] == 2
    assert status["appliedGeneration"] == 1
    assert status["parameters"] == before["parameters"]
    waiting = report.failure(SourceMissing("no Secret"), 2, PreviousStatus.of(before), LATER, None)
    assert conditions(waiting)["Ready"] == ("Unknown", "SourceMissing")


def test_transition_times_change_only_with_the_value() -> None:
    fake = FakeKind()
    first = applied(fake)
    again = status_of(fake.engine().run(declared(VALUES)), first, LATER)
    assert again["conditions"] == first["conditions"]
    assert again["lastObservedTime"] != first["lastObservedTime"]
    fake.failures["/app/a"] = Throttled("slow")
    slow = status_of(fake.engine().run(declared({"a": "3", "b": "2"}, generation=2)), again, LATER)
    assert slow["conditions"][0]["lastTransitionTime"] == timestamp(LATER)


def test_observation_alone_is_reported_every_hour() -> None:
    first = applied(FakeKind())
    start = moment(first["lastObservedTime"])

    def is_news(seconds: float, **changed: Any) -> bool:
        return report.is_news({**first, "lastObservedTime": timestamp(start + seconds), **changed}, first)

    assert [is_news(seconds) for seconds in (0, 600, 3599, 3600, 86_400)] == [False, False, False, True, True]
    assert is_news(600, revision="other")
    assert is_news(600, suspended=True)
    # Otherwise an object whose status has a time in the future would not be reported before that.
    assert is_news(-600)


@pytest.mark.parametrize("time", ["yesterday", 7, None])
def test_invalid_time_of_the_last_observation_is_replaced(time: object) -> None:
    first = applied(FakeKind())
    assert report.is_news(first, {**first, "lastObservedTime": time})


def drifting(**more: Any) -> tuple[FakeKind, dict[str, Any]]:
    fake = FakeKind()
    before = applied(fake)
    fake.by_hand("/app/a", **more)
    return fake, before


def test_reported_drift_has_field_both_values_and_start_time() -> None:
    fake, before = drifting()
    declaration = declared(VALUES, driftPolicy="Report", status=before)
    first = status_of(fake.engine().run(declaration), before, NOW)
    again = status_of(fake.engine().run(declared(VALUES, driftPolicy="Report", status=first)), first, LATER)
    assert conditions(again) == {"Ready": ("True", "DriftReported"), "Drifted": ("True", "DriftFound")}
    assert again["drift"] == [
        {
            "resource": "Thing /app/a",
            "field": "value",
            "declared": "1",
            "observed": "by hand",
            "since": timestamp(NOW),
        }
    ]
    assert again["counts"]["summary"] == "1/2"


def test_reported_drift_is_not_corrected_after_the_finalizer_was_removed() -> None:
    fake, before = drifting()
    first = status_of(fake.engine().run(declared(VALUES, driftPolicy="Report", status=before)), before)
    fake.engine().run(declared(VALUES, driftPolicy="Report", status=first, finalizers=[]))
    assert fake.values["/app/a"] == "by hand"


def test_status_with_many_long_names_is_accepted_by_kubernetes() -> None:
    values = {f"{'n' * 490}{number}": "1" for number in range(5)}
    fake = FakeKind()
    about: dict[str, Any] = {"path": "/" + "p" * 395, "driftPolicy": "Report"}
    before = status_of(fake.engine().run(declared(values, **about)))
    for name in values:
        fake.by_hand(f"{about['path']}/{name}")
    found = status_of(fake.engine().run(declared(values, status=before, **about)), before)
    assert len({item["type"]: item for item in found["conditions"]}["Drifted"]["message"]) == 4096


def test_long_request_is_echoed_truncated() -> None:
    asked = "x" * 300
    outcome = FakeKind().engine().run(declared(VALUES))
    assert report.status(outcome, PreviousStatus(), NOW, asked)["lastHandledReconcileAt"] == "x" * 256
    assert report.failure(Refused("no"), 1, PreviousStatus(), NOW, asked)["lastHandledReconcileAt"] == "x" * 256


def test_corrected_drift_is_in_events_and_not_in_status() -> None:
    fake, before = drifting()
    outcome = fake.engine().run(declared(VALUES, status=before))
    assert conditions(status_of(outcome, before)) == {"Ready": ("True", "InSync")}
    events = {note.reason: note for note in kube_events.events_of(outcome, PreviousStatus.of(before), NOW)}
    assert set(events) == {"DriftFound", "DriftCorrected"}
    assert events["DriftFound"].type == "Warning"
    assert "/app/a" in events["DriftCorrected"].message


def test_deleted_resource_is_reported_as_missing() -> None:
    fake = FakeKind()
    before = applied(fake)
    fake.store.pop("/app/a")
    outcome = fake.engine().run(declared(VALUES, status=before))
    events = {note.reason: note.message for note in kube_events.events_of(outcome, PreviousStatus.of(before), NOW)}
    assert events["DriftFound"].endswith("/app/a is missing")


def test_persistent_drift_is_reported_once_by_event() -> None:
    fake, before = drifting()
    first = fake.engine().run(declared(VALUES, driftPolicy="Report", status=before))
    status = status_of(first, before)
    assert [note.reason for note in kube_events.events_of(first, PreviousStatus.of(before), NOW)] == ["DriftFound"]
    again = fake.engine().run(declared(VALUES, driftPolicy="Report", status=status))
    assert kube_events.events_of(again, PreviousStatus.of(status), LATER) == ()


def test_terminal_error_is_reported_once_by_event_and_transient_ones_never() -> None:
    error = Refused("no")
    assert [note.reason for note in kube_events.error_events(error, PreviousStatus())] == ["Refused"]
    events = report.failure(error, 1, PreviousStatus(), NOW, None)
    assert kube_events.error_events(error, PreviousStatus.of(events)) == ()
    assert kube_events.error_events(Throttled("slow"), PreviousStatus()) == ()


def test_revision_change_counts_as_version_change() -> None:
    fake = FakeKind()
    before = applied(fake)
    same = status_of(fake.engine().run(declared(VALUES)))
    other = status_of(fake.engine().run(declared({**VALUES, "a": "2"}, generation=2)))
    assert before["revision"] == same["revision"] != other["revision"]


def test_suspended_status_reports_pending_changes() -> None:
    waiting = status_of(FakeKind().engine().run(declared(VALUES, suspend=True)))
    assert conditions(waiting) == {"Ready": ("Unknown", "Suspended")}
    assert "2 changes pending" in waiting["conditions"][0]["message"]


def deletion_failing(previous: dict[str, Any], now: float, error: Terminal) -> dict[str, Any]:
    fake = FakeKind()
    fake.engine().run(declared(VALUES))
    fake.failures = {"/app/a": error, "/app/b": error}
    return status_of(fake.engine().run(deletion(VALUES)), previous, now)


def test_way_out_is_reported_after_an_hour_of_failing_deletion() -> None:
    first = deletion_failing({}, NOW, Refused("no"))
    assert first["failingSince"] == timestamp(NOW)
    almost = deletion_failing(first, NOW + 3599, Refused("no"))
    assert conditions(almost)["Ready"] == ("False", "Refused")
    hopeless = deletion_failing(almost, NOW + 3600, Refused("no"))
    assert conditions(hopeless) == {"Ready": ("False", "DeletionFailing"), "Stalled": ("True", "DeletionFailing")}
    assert "annotate dcfg myapp dynconfig.dev/abandon=true" in hopeless["conditions"][0]["message"]


def test_progressing_deletion_is_not_reported_as_failing() -> None:
    values = {f"p{number:03}": "1" for number in range(120)}
    fake = FakeKind()
    status = status_of(fake.engine().run(declared(values)))
    for passed, stuck in enumerate((("p069", "p019"), ("p019",))):
        fake.failures = {f"/app/{name}": Refused("no") for name in stuck}
        status = status_of(fake.engine().run(deletion(values, status=status)), status, NOW + 3600 * passed)
        assert conditions(status)["Ready"] == ("False", "Refused")
        assert status["failingSince"] == timestamp(NOW + 3600 * passed)
        assert set(fake.store) == {f"/app/{name}" for name in stuck}
    status = status_of(fake.engine().run(deletion(values, status=status)), status, NOW + 7200)
    assert conditions(status)["Ready"] == ("False", "DeletionFailing")


def test_inventory_of_an_abandoned_object_lists_all_remaining_resources() -> None:
    note = kube_events.abandoned(deletion(VALUES))
    assert note.reason == "Abandoned"
    assert "/app/a, /app/b" in note.message


def test_account_of_an_abandoned_object_is_named_although_its_target_is_gone() -> None:
    recorded = {"target": "prod-eu", "account": "222222222222", "region": "eu-central-1"}
    note = kube_events.abandoned(deletion(VALUES), status=recorded)
    assert "Left in AWS (AWSTarget prod-eu, account 222222222222, eu-central-1): " in note.message


def test_first_status_is_unknown() -> None:
    status = report.starting(1, NOW, Place("eu-west-1"))
    assert conditions(status) == {"Ready": ("Unknown", "Applying"), "Reconciling": ("True", "Applying")}
    assert "appliedGeneration" not in status


def test_one_pending_change_is_singular() -> None:
    waiting = status_of(FakeKind().engine().run(declared({"a": "1"}, suspend=True)))
    assert waiting["conditions"][0]["message"] == "1 change pending: spec.suspend is true"


def test_message_for_several_resources_is_reported_once() -> None:
    fake = FakeKind()
    for name in "abcdefg":
        fake.by_hand(f"/app/{name}", owner=RIVAL.tag)
    fake.by_hand("/app/h", owner="")
    status = status_of(fake.engine().run(declared(dict.fromkeys("abcdefgh", "1"))))
    message = status["conditions"][0]["message"]
    assert message.count("is owned by shop/rival") == 1
    assert "thing /app/a, /app/b, /app/c, /app/d, /app/e and 2 more: each is owned by shop/rival" in message
    assert "thing /app/h already exists and has no owner" in message
    assert len(status["refused"]) == 8


@pytest.mark.parametrize("is_deleted", [False, True])
def test_failure_while_baking_is_reported_as_not_rolled_back(is_deleted: bool) -> None:
    before = {"bake": {"generation": 1, "since": timestamp(NOW), "until": timestamp(LATER)}}
    found = report.failure(InvalidSpec("x" * 40_000), 2, PreviousStatus.of(before), NOW, None, deleting=is_deleted)
    assert found["conditions"][0]["message"].endswith("is not rolled back even if its alarms fire") is not is_deleted
    assert "bake" in found


WAIT = QuotaWait("ssm.PutParameter", 10.0, 230.0)


def test_object_that_waits_for_a_quota_says_so_with_an_estimate() -> None:
    found = report.status(
        Outcome(declared({"a": "1"}), stopped=Throttled(str(WAIT), wait=WAIT)), PreviousStatus(), 0.0, None
    )
    assert found["conditions"][0]["message"] == "Waiting for AWS quota of ssm.PutParameter (10/s), about 4 min"
    assert found["conditions"][0]["reason"] == "Throttled"


def test_progress_of_an_object_that_waits_for_a_quota_has_an_estimate() -> None:
    outcome = FakeKind().engine().run(declared({"a": "1", "b": "2", "c": "3"}), keep_going=lambda: False)
    stopped = replace(outcome, stopped=Throttled(str(WAIT), wait=WAIT))
    for waiting in (stopped, replace(outcome, quota_wait=WAIT)):
        text = report.status(waiting, PreviousStatus(), 0.0, None)["conditions"][0]["message"]
        assert text == "1 of 3 changes applied; waiting for AWS quota of ssm.PutParameter (10/s), about 4 min"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3.0, "less than 10 s"),
        (41.0, "about 50 s"),
        (61.0, "about 2 min"),
        (7100.0, "about 119 min"),
        (7300.0, "about 3 h"),
    ],
)
def test_estimate_of_a_wait_is_rounded_up(seconds: float, text: str) -> None:
    assert str(QuotaWait("ssm.PutParameter", 3.0, seconds)).endswith(f"(3/s), {text}")


def test_wait_without_an_end_has_no_estimate() -> None:
    assert str(QuotaWait("ssm.PutParameter", 0.0, float("inf"))) == "waiting for AWS quota of ssm.PutParameter (0/s)"

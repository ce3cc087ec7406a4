"""Status: the values of Ready, conditions that exist only while true, and transition times."""

from typing import Any

import pytest
from tests.engine.fake_kind import RIVAL, FakeKind, declared, deletion

from dynconfig.engine.outcome import Outcome
from dynconfig.model.errors import InvalidSpec, Refused, SourceMissing, Terminal, Throttled
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.timestamps import timestamp
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
def test_what_passes_is_unknown_and_what_needs_a_person_is_false(
    error: Any, expected: dict[str, tuple[str, str]]
) -> None:
    fake = FakeKind(failures={"/app/b": error})
    status = status_of(fake.engine().run(declared(VALUES)))
    assert conditions(status) == expected
    assert status["conditions"][0]["message"].startswith("1 of 2 changes applied; then: ")
    assert status["counts"]["summary"] == "1/2"
    assert "appliedGeneration" not in status


def test_nothing_declared_keeps_the_last_report() -> None:
    before = applied(FakeKind())
    status = report.failure(InvalidSpec("spec.path: wrong"), 2, PreviousStatus.of(before), LATER, None)
    assert conditions(status) == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}
    assert status["observedGeneration"] == 2
    assert status["appliedGeneration"] == 1
    assert status["parameters"] == before["parameters"]
    waiting = report.failure(SourceMissing("no Secret"), 2, PreviousStatus.of(before), LATER, None)
    assert conditions(waiting)["Ready"] == ("Unknown", "SourceMissing")


def test_transition_times_move_only_with_the_value() -> None:
    fake = FakeKind()
    first = applied(fake)
    again = status_of(fake.engine().run(declared(VALUES)), first, LATER)
    assert again["conditions"] == first["conditions"]
    assert again["lastObservedTime"] != first["lastObservedTime"]
    fake.failures["/app/a"] = Throttled("slow")
    slow = status_of(fake.engine().run(declared({"a": "3", "b": "2"}, generation=2)), again, LATER)
    assert slow["conditions"][0]["lastTransitionTime"] == timestamp(LATER)


def drifting(**more: Any) -> tuple[FakeKind, dict[str, Any]]:
    fake = FakeKind()
    before = applied(fake)
    fake.by_hand("/app/a", **more)
    return fake, before


def test_reported_drift_tells_field_both_sides_and_since_when() -> None:
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


def test_drift_that_is_reported_is_left_alone_though_the_finalizer_was_taken_off() -> None:
    fake, before = drifting()
    first = status_of(fake.engine().run(declared(VALUES, driftPolicy="Report", status=before)), before)
    fake.engine().run(declared(VALUES, driftPolicy="Report", status=first, finalizers=[]))
    assert fake.values["/app/a"] == "by hand"


def test_many_long_names_make_no_report_that_kubernetes_refuses() -> None:
    values = {f"{'n' * 490}{number}": "1" for number in range(5)}
    fake = FakeKind()
    about: dict[str, Any] = {"path": "/" + "p" * 395, "driftPolicy": "Report"}
    before = status_of(fake.engine().run(declared(values, **about)))
    for name in values:
        fake.by_hand(f"{about['path']}/{name}")
    found = status_of(fake.engine().run(declared(values, status=before, **about)), before)
    assert len({item["type"]: item for item in found["conditions"]}["Drifted"]["message"]) == 4096


def test_a_long_request_is_echoed_shortened() -> None:
    asked = "x" * 300
    outcome = FakeKind().engine().run(declared(VALUES))
    assert report.status(outcome, PreviousStatus(), NOW, asked)["lastHandledReconcileAt"] == "x" * 256
    assert report.failure(Refused("no"), 1, PreviousStatus(), NOW, asked)["lastHandledReconcileAt"] == "x" * 256


def test_corrected_drift_is_not_in_status_but_in_notes() -> None:
    fake, before = drifting()
    outcome = fake.engine().run(declared(VALUES, status=before))
    assert conditions(status_of(outcome, before)) == {"Ready": ("True", "InSync")}
    told = {note.reason: note for note in kube_events.events_of(outcome, PreviousStatus.of(before), NOW)}
    assert set(told) == {"DriftFound", "DriftCorrected"}
    assert told["DriftFound"].type == "Warning"
    assert "/app/a" in told["DriftCorrected"].message


def test_drift_that_stands_is_noted_once() -> None:
    fake, before = drifting()
    first = fake.engine().run(declared(VALUES, driftPolicy="Report", status=before))
    status = status_of(first, before)
    assert [note.reason for note in kube_events.events_of(first, PreviousStatus.of(before), NOW)] == ["DriftFound"]
    again = fake.engine().run(declared(VALUES, driftPolicy="Report", status=status))
    assert kube_events.events_of(again, PreviousStatus.of(status), LATER) == ()


def test_a_refusal_is_noted_once_and_what_passes_never() -> None:
    error = Refused("no")
    assert [note.reason for note in kube_events.error_events(error, PreviousStatus())] == ["Refused"]
    told = report.failure(error, 1, PreviousStatus(), NOW, None)
    assert kube_events.error_events(error, PreviousStatus.of(told)) == ()
    assert kube_events.error_events(Throttled("slow"), PreviousStatus()) == ()


def test_a_change_of_the_revision_is_a_change_of_a_version() -> None:
    fake = FakeKind()
    before = applied(fake)
    same = status_of(fake.engine().run(declared(VALUES)))
    other = status_of(fake.engine().run(declared({**VALUES, "a": "2"}, generation=2)))
    assert before["revision"] == same["revision"] != other["revision"]


def test_suspended_tells_what_waits() -> None:
    waiting = status_of(FakeKind().engine().run(declared(VALUES, suspend=True)))
    assert conditions(waiting) == {"Ready": ("Unknown", "Suspended")}
    assert "2 changes pending" in waiting["conditions"][0]["message"]


def deletion_failing(previous: dict[str, Any], now: float, error: Terminal) -> dict[str, Any]:
    fake = FakeKind()
    fake.engine().run(declared(VALUES))
    fake.failures = {"/app/a": error, "/app/b": error}
    return status_of(fake.engine().run(deletion(VALUES)), previous, now)


def test_after_an_hour_of_failing_to_delete_a_way_out_is_offered() -> None:
    first = deletion_failing({}, NOW, Refused("no"))
    assert first["failingSince"] == timestamp(NOW)
    almost = deletion_failing(first, NOW + 3599, Refused("no"))
    assert conditions(almost)["Ready"] == ("False", "Refused")
    hopeless = deletion_failing(almost, NOW + 3600, Refused("no"))
    assert conditions(hopeless) == {"Ready": ("False", "DeletionFailing"), "Stalled": ("True", "DeletionFailing")}
    assert "annotate dcfg myapp dynconfig.dev/abandon=true" in hopeless["conditions"][0]["message"]


def test_a_deletion_that_gets_on_is_not_called_failing() -> None:
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


def test_the_inventory_of_an_abandoned_object_names_all_that_stays() -> None:
    note = kube_events.abandoned(deletion(VALUES))
    assert note.reason == "Abandoned"
    assert "/app/a, /app/b" in note.message


def test_the_first_status_claims_nothing() -> None:
    status = report.starting(1, NOW)
    assert conditions(status) == {"Ready": ("Unknown", "Applying"), "Reconciling": ("True", "Applying")}
    assert "appliedGeneration" not in status


def test_one_change_waits_in_the_singular() -> None:
    waiting = status_of(FakeKind().engine().run(declared({"a": "1"}, suspend=True)))
    assert waiting["conditions"][0]["message"] == "1 change pending: spec.suspend is true"


def test_what_is_true_of_several_resources_is_said_once() -> None:
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
def test_what_fails_while_a_change_bakes_says_that_it_is_not_rolled_back(is_deleted: bool) -> None:
    before = {"bake": {"generation": 1, "since": timestamp(NOW), "until": timestamp(LATER)}}
    found = report.failure(InvalidSpec("x" * 40_000), 2, PreviousStatus.of(before), NOW, None, deleting=is_deleted)
    assert found["conditions"][0]["message"].endswith("is not rolled back even if its alarms fire") is not is_deleted
    assert "bake" in found

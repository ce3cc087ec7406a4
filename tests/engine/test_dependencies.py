"""Resources that depend on others: pending writes, derived fields, unversioned resources, lost status."""

from typing import Any

import pytest
from tests.engine.fake_kind import declared, deletion
from tests.engine.parts import RED, VALUES, DerivedKinds, coloured, lit, status_of, the_lamp

from dynconfig.model.errors import AccessDenied, NotOwned, Settling
from dynconfig.status import kube_events


def paint(derived: DerivedKinds, colour: str) -> None:
    """An external change of the lamp."""
    lamp = the_lamp(derived)
    derived.lamps.store[lamp.name] = type(lamp)(
        name=lamp.name, owner=lamp.owner, arn=lamp.arn, colour=colour, served=lamp.served
    )


# --- writes in progress


def test_pending_write_is_awaited_and_not_reported_as_done() -> None:
    derived = DerivedKinds()
    derived.lamps.busy_reads = 2
    engine = derived.engine()
    outcome = engine.run(declared({}, **RED))
    assert isinstance(outcome.error, Settling)
    assert "is being made" in str(outcome.error)
    status = status_of(outcome)
    assert status["conditions"][0]["status"] == "Unknown"
    assert "appliedGeneration" not in status
    reads = 0
    while not (outcome := engine.run(declared({}, **RED, status=status))).is_complete:
        assert isinstance(outcome.error, Settling)
        reads += 1
        assert reads < 10
    assert derived.lamps.writes == ["put dynconfig-shop-myapp red"]


def test_no_second_write_is_made_while_one_is_pending_but_earlier_kinds_are_written() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.busy = dict.fromkeys(derived.lamps.store, 3)
    edited = declared({**VALUES, "c": "3"}, **coloured("blue"), generation=2, status=status)
    outcome = derived.engine().run(edited)
    assert isinstance(outcome.error, Settling)
    assert derived.lamps.writes == []
    assert "/app/c" in derived.fake.store


@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_edit_that_waits_for_a_pending_write_is_no_drift(policy: str) -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.busy = dict.fromkeys(derived.lamps.store, 3)
    edited: dict[str, Any] = {**coloured("blue"), "generation": 2, "driftPolicy": policy}
    for _ in range(3):
        outcome = derived.engine().run(declared(VALUES, **edited, status=status))
        assert outcome.drift == ()
        status = status_of(outcome, status)
    assert outcome.is_complete
    assert the_lamp(derived).colour == "blue"


def test_delay_grows_while_a_write_is_pending_and_is_reset_afterwards() -> None:
    derived = DerivedKinds()
    derived.lamps.busy_reads = 12
    engine = derived.engine()
    delays = []
    while isinstance((outcome := engine.run(declared({}, **RED))).error, Settling):
        delays.append(outcome.error.delay or 0.0)
    assert delays[0] == pytest.approx(0.5)
    assert delays == sorted(delays)
    assert delays[-1] == pytest.approx(10.0)
    derived.lamps.busy = dict.fromkeys(derived.lamps.store, 2)
    again = engine.run(declared({}, **RED))
    assert isinstance(again.error, Settling)
    assert again.error.delay == pytest.approx(0.5)


def test_deletion_does_not_wait_for_a_pending_write() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.busy = dict.fromkeys(derived.lamps.store, 9)
    assert derived.engine().run(deletion(VALUES, **RED, status=status)).is_complete


# --- drift without versions


def test_change_of_an_unversioned_resource_is_drift_and_corrected() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    paint(derived, "blue")
    outcome = derived.engine().run(declared(VALUES, **RED, status=status))
    assert [(step.resource.title, step.because[0].field) for step in outcome.drift] == [
        ("Lamp dynconfig-shop-myapp", "colour")
    ]
    assert the_lamp(derived).colour == "red"


def test_edit_of_an_unversioned_resource_is_not_drift() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    outcome = derived.engine().run(declared(VALUES, **coloured("blue"), generation=2, status=status))
    assert outcome.drift == ()
    assert outcome.is_complete


def test_different_declaration_of_another_operator_version_is_not_drift() -> None:
    derived = DerivedKinds()
    status = {**lit(derived), "operatorVersion": "0.0.1"}
    paint(derived, "blue")
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert outcome.drift == ()
    assert the_lamp(derived).colour == "red"


def test_missing_reported_resource_is_drift() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.store.clear()
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert [step.resource.title for step in outcome.plan.reported_drift] == ["Lamp dynconfig-shop-myapp"]
    assert outcome.drift == outcome.plan.reported_drift


def test_derived_field_is_never_drift() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.fake.by_hand("/app/a")
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert [step.resource.title for step in outcome.drift] == ["Thing /app/a"]
    assert outcome.applied == ()
    assert the_lamp(derived).colour == "red"


def test_report_policy_does_not_correct_effects_of_a_loss() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.store.clear()
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert outcome.applied == ()
    assert derived.writes == []
    assert list(derived.cords.store) == ["cord"]


def test_correct_policy_restores_a_loss_and_its_effects_in_one_run() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.store.clear()
    outcome = derived.engine().run(declared(VALUES, **RED, status=status))
    assert outcome.is_complete
    assert [cord.to for cord in derived.cords.store.values()] == ["lamp-2"]


# --- the use of reports, and runs without them


def test_resource_only_in_status_is_found_and_deleted() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    outcome = derived.engine().run(declared(VALUES, generation=2, status=status))
    assert outcome.is_complete
    assert derived.lamps.store == {}
    assert derived.cords.store == {}


def test_renamed_resource_is_created_under_the_new_name_and_deleted_under_the_old() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    renamed = declared(VALUES, **RED, function={"name": "new"}, generation=2, status=status)
    assert derived.engine().run(renamed).is_complete
    assert list(derived.lamps.store) == ["new"]


def test_deletion_without_status_finds_resources_by_name() -> None:
    derived = DerivedKinds()
    lit(derived)
    assert derived.engine().run(deletion(VALUES, **RED)).is_complete
    assert derived.is_dark


def test_deletion_finds_resources_created_after_the_last_report() -> None:
    derived = DerivedKinds()
    status = status_of(derived.engine().run(declared(VALUES)))
    derived.engine().run(declared(VALUES, **RED, generation=2, status=status))
    assert derived.lamps.store
    assert derived.engine().run(deletion(VALUES, **RED, generation=3, status=status)).is_complete
    assert derived.is_dark


def test_foreign_resource_of_the_same_name_survives_a_deletion_without_status() -> None:
    derived = DerivedKinds()
    derived.lamps.store["dynconfig-shop-myapp"] = DerivedKinds().lamps.value(
        name="dynconfig-shop-myapp", colour="green"
    )
    assert derived.engine().run(deletion({}, **RED)).is_complete
    assert the_lamp(derived).colour == "green"
    assert isinstance(derived.engine().run(declared({}, **RED)).error, NotOwned)


def test_denied_read_of_undeclared_kinds_does_not_prevent_deletion() -> None:
    derived = DerivedKinds()
    status = status_of(derived.engine().run(declared(VALUES)))
    derived.lamps.forbidden = AccessDenied("no")
    for report_of in (status, None):
        derived.engine().run(declared(VALUES))
        assert derived.engine().run(deletion(VALUES, status=report_of)).is_complete
        assert derived.is_dark


def test_denied_read_of_declared_or_reported_kinds_is_reported() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.forbidden = AccessDenied("no")
    assert isinstance(derived.engine().run(declared(VALUES, **RED)).error, AccessDenied)
    assert isinstance(derived.engine().run(deletion(VALUES, **RED, status=status)).error, AccessDenied)
    assert derived.lamps.store


def test_status_lists_unversioned_resources_with_their_arn() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    assert status["resources"] == [
        {"kind": "Lamp", "name": "dynconfig-shop-myapp", "arn": "lamp-1"},
        {"kind": "Cord", "name": "cord", "arn": ""},
    ]
    assert status["counts"] == {"declared": 2, "inSync": 2, "summary": "2/2"}
    assert "2 parameters and 2 other resources" in status["conditions"][0]["message"]


def test_abandoned_deletion_reports_all_remaining_resources() -> None:
    status = lit(DerivedKinds())
    note = kube_events.abandoned(deletion(VALUES, **RED, status=status))
    assert "/app/a" in note.message
    assert "Lamp dynconfig-shop-myapp" in note.message

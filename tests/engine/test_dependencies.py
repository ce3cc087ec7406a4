"""Resources that depend on others: pending writes, derived fields, unversioned resources, lost status."""

import pytest
from tests.engine.fake_kind import declared, deletion
from tests.engine.parts import RED, VALUES, DerivedKinds, coloured, lit, status_of, the_lamp

from dynconfig.model.errors import AccessDenied, NotOwned, Settling
from dynconfig.status import kube_events


def paint(derived: DerivedKinds, colour: str) -> None:
    """What somebody else does to the lamp."""
    lamp = the_lamp(derived)
    derived.lamps.store[lamp.name] = type(lamp)(
        name=lamp.name, owner=lamp.owner, arn=lamp.arn, colour=colour, served=lamp.served
    )


# --- AWS takes time


def test_a_write_that_aws_still_carries_out_is_waited_for_and_not_called_done() -> None:
    derived = DerivedKinds()
    derived.lamps.busy_looks = 2
    engine = derived.engine()
    outcome = engine.run(declared({}, **RED))
    assert isinstance(outcome.error, Settling)
    assert "is being made" in str(outcome.error)
    status = status_of(outcome)
    assert status["conditions"][0]["status"] == "Unknown"
    assert "appliedGeneration" not in status
    looks = 0
    while not (outcome := engine.run(declared({}, **RED, status=status))).is_complete:
        assert isinstance(outcome.error, Settling)
        looks += 1
        assert looks < 10
    assert derived.lamps.writes == ["put dynconfig-shop-myapp red"]


def test_no_second_write_while_aws_is_at_work_and_what_comes_before_is_written() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.busy = dict.fromkeys(derived.lamps.store, 3)
    edited = declared({**VALUES, "c": "3"}, **coloured("blue"), generation=2, status=status)
    outcome = derived.engine().run(edited)
    assert isinstance(outcome.error, Settling)
    assert derived.lamps.writes == []
    assert "/app/c" in derived.fake.store


def test_the_wait_grows_while_aws_takes_its_time_and_starts_anew_afterwards() -> None:
    derived = DerivedKinds()
    derived.lamps.busy_looks = 12
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


def test_a_deletion_does_not_wait_for_aws_to_settle() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.busy = dict.fromkeys(derived.lamps.store, 9)
    assert derived.engine().run(deletion(VALUES, **RED, status=status)).is_complete


# --- drift without versions


def test_a_change_of_what_has_no_versions_is_drift_and_is_put_back() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    paint(derived, "blue")
    outcome = derived.engine().run(declared(VALUES, **RED, status=status))
    assert [(step.resource.title, step.because[0].field) for step in outcome.drift] == [
        ("Lamp dynconfig-shop-myapp", "colour")
    ]
    assert the_lamp(derived).colour == "red"


def test_an_edit_of_what_has_no_versions_is_no_drift() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    outcome = derived.engine().run(declared(VALUES, **coloured("blue"), generation=2, status=status))
    assert outcome.drift == ()
    assert outcome.is_complete


def test_what_another_version_of_the_operator_declares_otherwise_is_no_drift() -> None:
    derived = DerivedKinds()
    status = {**lit(derived), "operatorVersion": "0.0.1"}
    paint(derived, "blue")
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert outcome.drift == ()
    assert the_lamp(derived).colour == "red"


def test_what_went_and_was_reported_is_drift() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.store.clear()
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert [step.resource.title for step in outcome.plan.reported_drift] == ["Lamp dynconfig-shop-myapp"]
    assert outcome.drift == outcome.plan.reported_drift


def test_a_derived_field_is_never_drift() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.fake.by_hand("/app/a")
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert [step.resource.title for step in outcome.drift] == ["Thing /app/a"]
    assert outcome.applied == ()
    assert the_lamp(derived).colour == "red"


def test_under_report_what_follows_from_a_loss_is_left_too() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.store.clear()
    outcome = derived.engine().run(declared(VALUES, **RED, status=status, driftPolicy="Report"))
    assert outcome.applied == ()
    assert derived.writes == []
    assert list(derived.cords.store) == ["cord"]


def test_under_correct_a_loss_and_what_follows_from_it_are_made_good_in_one_run() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.store.clear()
    outcome = derived.engine().run(declared(VALUES, **RED, status=status))
    assert outcome.is_complete
    assert [cord.to for cord in derived.cords.store.values()] == ["lamp-2"]


# --- what reports are good for, and what is done without them


def test_a_resource_that_is_only_in_the_report_is_found_and_deleted() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    outcome = derived.engine().run(declared(VALUES, generation=2, status=status))
    assert outcome.is_complete
    assert derived.lamps.store == {}
    assert derived.cords.store == {}


def test_a_renamed_resource_is_made_under_the_new_name_and_goes_from_the_old() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    renamed = declared(VALUES, **RED, function={"name": "new"}, generation=2, status=status)
    assert derived.engine().run(renamed).is_complete
    assert list(derived.lamps.store) == ["new"]


def test_a_deletion_without_any_report_finds_what_the_names_lead_to() -> None:
    derived = DerivedKinds()
    lit(derived)
    assert derived.engine().run(deletion(VALUES, **RED)).is_complete
    assert derived.is_dark


def test_a_deletion_finds_what_was_made_after_the_last_report() -> None:
    derived = DerivedKinds()
    status = status_of(derived.engine().run(declared(VALUES)))
    derived.engine().run(declared(VALUES, **RED, generation=2, status=status))
    assert derived.lamps.store
    assert derived.engine().run(deletion(VALUES, **RED, generation=3, status=status)).is_complete
    assert derived.is_dark


def test_a_stranger_at_the_name_survives_a_deletion_without_report() -> None:
    derived = DerivedKinds()
    derived.lamps.store["dynconfig-shop-myapp"] = DerivedKinds().lamps.value(
        name="dynconfig-shop-myapp", colour="green"
    )
    assert derived.engine().run(deletion({}, **RED)).is_complete
    assert the_lamp(derived).colour == "green"
    assert isinstance(derived.engine().run(declared({}, **RED)).error, NotOwned)


def test_who_may_not_look_at_what_is_not_declared_can_still_delete_the_rest() -> None:
    derived = DerivedKinds()
    status = status_of(derived.engine().run(declared(VALUES)))
    derived.lamps.forbidden = AccessDenied("no")
    for report_of in (status, None):
        derived.engine().run(declared(VALUES))
        assert derived.engine().run(deletion(VALUES, status=report_of)).is_complete
        assert derived.is_dark


def test_who_may_not_look_at_what_is_declared_or_reported_is_told() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    derived.lamps.forbidden = AccessDenied("no")
    assert isinstance(derived.engine().run(declared(VALUES, **RED)).error, AccessDenied)
    assert isinstance(derived.engine().run(deletion(VALUES, **RED, status=status)).error, AccessDenied)
    assert derived.lamps.store


def test_the_report_lists_what_has_no_versions_with_its_arn() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    assert status["resources"] == [
        {"kind": "Lamp", "name": "dynconfig-shop-myapp", "arn": "lamp-1"},
        {"kind": "Cord", "name": "cord", "arn": ""},
    ]
    assert status["counts"] == {"declared": 2, "inSync": 2, "summary": "2/2"}
    assert "2 parameters and 2 other resources" in status["conditions"][0]["message"]


def test_who_gives_up_on_a_deletion_is_told_of_all_that_stays() -> None:
    status = lit(DerivedKinds())
    note = kube_events.abandoned(deletion(VALUES, **RED, status=status))
    assert "/app/a" in note.message
    assert "Lamp dynconfig-shop-myapp" in note.message

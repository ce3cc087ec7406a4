"""Changes that follow from a write are applied in the same run."""

from collections.abc import Iterable

import pytest
from tests.engine.fake_kind import FakeKind, Thing, declared, deletion
from tests.engine.parts import RED, VALUES, Cord, Cords, DerivedKinds, coloured, lit, status_of, the_lamp

from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotPossible, Throttled


def test_resource_that_needs_an_id_is_created_in_the_run_that_assigns_it() -> None:
    derived = DerivedKinds()
    outcome = derived.engine().run(declared(VALUES, **RED))
    assert outcome.is_complete
    assert (len(derived.lamps.writes), derived.cords.writes) == (1, ["put lamp-1"])
    assert [step.resource.name for step in outcome.applied][-1] == "cord"
    assert len(outcome.plan.steps) == len(outcome.applied)
    assert derived.engine().run(declared(VALUES, **RED, status=status_of(outcome))).plan.is_empty


@pytest.mark.parametrize("colour", ["red", "blue"])
def test_changed_value_is_served_by_one_write_in_the_same_run(colour: str) -> None:
    derived = DerivedKinds()
    status = lit(derived)
    before = the_lamp(derived).served
    outcome = derived.engine().run(declared({**VALUES, "a": "9"}, **coloured(colour), generation=2, status=status))
    assert outcome.is_complete
    assert len(derived.lamps.writes) == 1
    assert the_lamp(derived).served != before
    assert derived.engine().run(declared({**VALUES, "a": "9"}, **coloured(colour), generation=2)).plan.is_empty


def test_desired_resources_are_computed_as_often_for_many_writes_as_for_one() -> None:
    class Counting(FakeKind):
        computed = 0

        def desired(self, declaration: Declaration) -> Iterable[Thing]:
            self.computed += 1
            return super().desired(declaration)

    one, many = Counting(), Counting()
    assert one.engine().run(declared({"a": "1"})).is_complete
    assert many.engine().run(declared({f"n{number}": "1" for number in range(50)})).is_complete
    assert many.computed == one.computed


def test_failed_run_has_no_follow_up_until_the_next_run() -> None:
    derived = DerivedKinds()
    derived.fake.failures = {"/app/b": Throttled("slow")}
    assert not derived.engine().run(declared(VALUES, **RED)).is_complete
    assert derived.writes == []
    derived.fake.failures.clear()
    assert derived.engine().run(declared(VALUES, **RED)).is_complete
    assert derived.cords.writes == ["put lamp-1"]


def test_expired_turn_leaves_follow_ups_to_the_next() -> None:
    derived = DerivedKinds()
    first = derived.engine().run(declared({}, **RED), keep_going=lambda: False)
    assert first.applied
    assert derived.engine().run(declared({}, **RED)).is_complete
    assert derived.cords.writes == ["put lamp-1"]


def test_deletion_has_no_follow_up() -> None:
    derived = DerivedKinds()
    status = lit(derived)
    outcome = derived.engine().run(deletion(VALUES, **RED, status=status))
    assert outcome.is_complete
    assert derived.is_dark


def test_follow_up_that_fails_is_reported_beside_what_was_created() -> None:
    class Short(Cords):
        def refuse(self, desired: Cord, observed: Cord | None) -> None:
            raise NotPossible("cord: the lamp is too far away")

    derived = DerivedKinds(cords=Short())
    outcome = derived.engine().run(declared(VALUES, **RED))
    assert isinstance(outcome.error, NotPossible)
    condition = status_of(outcome)["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "NotPossible")
    assert len(outcome.applied) == 3

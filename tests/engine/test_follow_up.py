"""What follows from what was just written is written in the same run."""

import pytest
from tests.engine.parts import RED, VALUES, Cord, Cords, Room, coloured, lit, status_of, the_lamp
from tests.engine.toy import declared, goodbye

from dynconfig.engine.errors import NotPossible, Throttled


def test_what_needs_an_id_is_made_in_the_same_run_as_what_gets_it() -> None:
    room = Room()
    outcome = room.engine().run(declared(VALUES, **RED))
    assert outcome.is_complete
    assert (len(room.lamps.writes), room.cords.writes) == (1, ["put lamp-1"])
    assert [step.resource.name for step in outcome.applied][-1] == "cord"
    assert len(outcome.plan.steps) == len(outcome.applied)
    assert room.engine().run(declared(VALUES, **RED, status=status_of(outcome))).plan.is_empty


@pytest.mark.parametrize("colour", ["red", "blue"])
def test_a_changed_thing_is_served_by_one_write_in_the_same_run(colour: str) -> None:
    room = Room()
    status = lit(room)
    before = the_lamp(room).served
    outcome = room.engine().run(declared({**VALUES, "a": "9"}, **coloured(colour), generation=2, status=status))
    assert outcome.is_complete
    assert len(room.lamps.writes) == 1
    assert the_lamp(room).served != before
    assert room.engine().run(declared({**VALUES, "a": "9"}, **coloured(colour), generation=2)).plan.is_empty


def test_nothing_follows_from_a_run_that_failed_and_the_next_one_does_it() -> None:
    room = Room()
    room.toy.failures = {"/app/b": Throttled("slow")}
    assert not room.engine().run(declared(VALUES, **RED)).is_complete
    assert room.writes == []
    room.toy.failures.clear()
    assert room.engine().run(declared(VALUES, **RED)).is_complete
    assert room.cords.writes == ["put lamp-1"]


def test_a_turn_that_is_over_leaves_what_follows_to_the_next() -> None:
    room = Room()
    first = room.engine().run(declared({}, **RED), keep_going=lambda: False)
    assert first.applied
    assert room.engine().run(declared({}, **RED)).is_complete
    assert room.cords.writes == ["put lamp-1"]


def test_nothing_follows_from_a_deletion() -> None:
    room = Room()
    status = lit(room)
    outcome = room.engine().run(goodbye(VALUES, **RED, status=status))
    assert outcome.is_complete
    assert room.is_dark


def test_what_turns_out_to_be_impossible_then_is_told_beside_what_was_made() -> None:
    class Short(Cords):
        def refuse(self, desired: Cord, observed: Cord | None) -> None:
            raise NotPossible("cord: the lamp is too far away")

    room = Room(cords=Short())
    outcome = room.engine().run(declared(VALUES, **RED))
    assert isinstance(outcome.error, NotPossible)
    told = status_of(outcome)["conditions"][0]
    assert (told["status"], told["reason"]) == ("False", "NotPossible")
    assert len(outcome.applied) == 3

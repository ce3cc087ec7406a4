"""A parameter that goes to another object and comes back within minutes, while AWS's index still has its old owner."""

from tests.kinds.workshop import ASKED, Workshop

from dynconfig.api.names import OWNER_TAG

SPEC = {"parameters": [{"name": "a", "value": "1"}], "adoptionPolicy": "IfUnowned"}


def test_a_parameter_that_comes_back_is_taken_over_again_whatever_the_index_says(workshop: Workshop) -> None:
    kind, other = workshop.parameters(), workshop.owner("other", "uid-2")
    workshop.apply(workshop.declare(SPEC), kind)
    workshop.clock.pause(11)
    # The index is read now, and is believed for ten minutes.
    (mine,) = workshop.apply(workshop.declare(SPEC, metadata=ASKED), kind).owned
    kind.release(mine)  # type: ignore[arg-type]  # the only kind is that of parameters
    (theirs,) = workshop.apply(workshop.declare(SPEC, owner=other), kind).owned
    assert workshop.tags("a") == {OWNER_TAG: other.tag}
    kind.release(theirs)  # type: ignore[arg-type]
    workshop.apply(workshop.declare(SPEC), kind)
    assert workshop.tags("a") == {OWNER_TAG: workshop.owner().tag}
    assert workshop.versions() == {"a": 1}

"""A parameter that has another owner than it had a few minutes ago, which AWS's index still names."""

import pytest
from tests.kinds.workshop import ASKED, Workshop

from dynconfig.api.names import OWNER_TAG
from dynconfig.engine.errors import Conflict, NotOwned

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


def test_what_another_object_made_anew_is_not_written_whatever_the_index_says(workshop: Workshop) -> None:
    kind, other = workshop.parameters(), workshop.owner("other", "uid-2")
    workshop.apply(workshop.declare(SPEC), kind)
    workshop.clock.pause(11)
    workshop.apply(workshop.declare(SPEC, metadata=ASKED), kind)
    workshop.aws().delete_parameter(Name=f"{workshop.path}/a")
    theirs = {"parameters": [{"name": "a", "value": "theirs"}]}
    workshop.apply(workshop.declare(theirs, owner=other), kind)
    for owner in (workshop.owner("third", "uid-3"), workshop.owner()):
        with pytest.raises(NotOwned):
            workshop.apply(workshop.declare(SPEC, owner=owner), kind)
    assert workshop.value("a") == "theirs"


@pytest.mark.parametrize("owner", ["", "other/shop/theirs/uid-9"])
@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_what_someone_outside_made_anew_is_not_written_whatever_the_index_says(
    workshop: Workshop, owner: str, policy: str
) -> None:
    spec, kind = {**SPEC, "adoptionPolicy": "Never", "driftPolicy": policy}, workshop.parameters()
    status = workshop.status(workshop.apply(workshop.declare(spec), kind))
    # Long after its creation, which is why nothing else makes the index doubtful.
    workshop.clock.pause(700)
    # The index is read now, and is believed for ten minutes.
    workshop.apply(workshop.declare(spec, metadata=ASKED, status=status), kind)
    workshop.aws().delete_parameter(Name=f"{workshop.path}/a")
    tags = [{"Key": OWNER_TAG, "Value": owner}] if owner else []
    workshop.aws().put_parameter(Name=f"{workshop.path}/a", Value="first", Type="String", Tags=tags)
    workshop.put_by_hand("a", "theirs")
    edited = {**spec, "parameters": [{"name": "a", "value": "2"}]}
    with pytest.raises((Conflict, NotOwned)):
        workshop.apply(workshop.declare(edited, generation=2, status=status), kind)
    with pytest.raises(NotOwned):
        workshop.apply(workshop.declare(edited, generation=2, status=status), kind)
    assert workshop.value("a") == "theirs"

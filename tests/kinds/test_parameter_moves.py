"""A parameter whose owner changed minutes ago while the tag index still names the previous one."""

import pytest
from tests.kinds.aws_harness import REQUESTED, AwsHarness

from dynconfig.api.names import OWNER_TAG
from dynconfig.model.errors import Conflict, NotOwned

SPEC = {"parameters": [{"name": "a", "value": "1"}], "adoptionPolicy": "IfUnowned"}


def test_parameter_that_returns_is_adopted_despite_a_stale_index(harness: AwsHarness) -> None:
    kind, other = harness.parameters(), harness.owner("other", "uid-2")
    harness.apply(harness.declare(SPEC), kind)
    harness.clock.pause(11)
    # The index is read now, and used for ten minutes.
    (mine,) = harness.apply(harness.declare(SPEC, metadata=REQUESTED), kind).owned
    kind.release(mine)  # type: ignore[arg-type]  # the only kind is that of parameters
    (theirs,) = harness.apply(harness.declare(SPEC, owner=other), kind).owned
    assert harness.tags("a") == {OWNER_TAG: other.tag}
    kind.release(theirs)  # type: ignore[arg-type]
    harness.apply(harness.declare(SPEC), kind)
    assert harness.tags("a") == {OWNER_TAG: harness.owner().tag}
    assert harness.versions() == {"a": 1}


def test_parameter_recreated_by_another_object_is_not_written_despite_a_stale_index(harness: AwsHarness) -> None:
    kind, other = harness.parameters(), harness.owner("other", "uid-2")
    harness.apply(harness.declare(SPEC), kind)
    harness.clock.pause(11)
    harness.apply(harness.declare(SPEC, metadata=REQUESTED), kind)
    harness.aws().delete_parameter(Name=f"{harness.path}/a")
    theirs = {"parameters": [{"name": "a", "value": "theirs"}]}
    harness.apply(harness.declare(theirs, owner=other), kind)
    for owner in (harness.owner("third", "uid-3"), harness.owner()):
        with pytest.raises(NotOwned):
            harness.apply(harness.declare(SPEC, owner=owner), kind)
    assert harness.value("a") == "theirs"


@pytest.mark.parametrize("owner", ["", "other/shop/theirs/uid-9"])
@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_parameter_recreated_externally_is_not_written_despite_a_stale_index(
    harness: AwsHarness, owner: str, policy: str
) -> None:
    spec, kind = {**SPEC, "adoptionPolicy": "Never", "driftPolicy": policy}, harness.parameters()
    status = harness.status(harness.apply(harness.declare(spec), kind))
    # Long after its creation, so that nothing else invalidates the index.
    harness.clock.pause(700)
    # The index is read now, and used for ten minutes.
    harness.apply(harness.declare(spec, metadata=REQUESTED, status=status), kind)
    harness.aws().delete_parameter(Name=f"{harness.path}/a")
    tags = [{"Key": OWNER_TAG, "Value": owner}] if owner else []
    harness.aws().put_parameter(Name=f"{harness.path}/a", Value="first", Type="String", Tags=tags)
    harness.put_by_hand("a", "theirs")
    edited = {**spec, "parameters": [{"name": "a", "value": "2"}]}
    with pytest.raises((Conflict, NotOwned)):
        harness.apply(harness.declare(edited, generation=2, status=status), kind)
    with pytest.raises(NotOwned):
        harness.apply(harness.declare(edited, generation=2, status=status), kind)
    assert harness.value("a") == "theirs"

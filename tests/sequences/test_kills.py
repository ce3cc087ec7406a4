"""The process dies at every write of four flows with all its memory: the final state of AWS is the same.

One process makes one write here, so that each write is the last of one. `make test-faults` kills the real process.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from tests.sequences.flows import FLOWS, Ended, play
from tests.sequences.world import Ground, ground

# Each process repeats a write caused by a lost status: the dashboard, which records when it was written.
LIVES_FOR_EACH_WRITE = 3


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.fixture(scope="module")
def undisturbed(shared: Ground) -> dict[str, Ended]:
    return {name: play(shared, name) for name in FLOWS}


@pytest.mark.parametrize("name", FLOWS)
def test_undisturbed_flow_makes_the_expected_writes(undisturbed: dict[str, Ended], name: str) -> None:
    ended = undisturbed[name]
    assert ended.faults == ()
    assert set(ended.reasons.values()) <= {"InSync", "RolledBack"}
    assert len(ended.writes) > 5


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "is_before"),
    [*((name, False) for name in FLOWS), ("rollback", True), ("hand-over", True)],
    ids=[*(f"{name}-after" for name in FLOWS), "rollback-before", "hand-over-before"],
)
def test_death_at_every_write_does_not_change_the_result(
    shared: Ground,
    undisturbed: dict[str, Ended],
    name: str,
    is_before: bool,
    record_property: Callable[[str, object], None],
) -> None:
    expected = undisturbed[name]
    ended = play(shared, name, LIVES_FOR_EACH_WRITE * len(expected.writes), is_before=is_before)
    record_property("points", ended.lives)
    assert ended.faults == ()
    assert ended.reasons == expected.reasons
    assert ended.state == expected.state
    assert {str(call) for call in expected.writes} <= {str(call) for call in ended.writes}
    if name == "rollback":
        # A process that dies between the marks omits the others; one runs until the alarm, one to the end. A process
        # that only repeats the previous process's write makes another one: both are one point.
        points = [call for call, after in pairwise(map(str, (*ended.writes, ended.writes[0]))) if call != after]
        assert ended.lives >= len(points) - 2
    else:
        assert ended.lives >= len(expected.writes) - 1

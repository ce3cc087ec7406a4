"""The process dies at every write of four flows, and all its memory with it: AWS ends as if it had not.

One life makes one write here, so that each write is somebody's last. `python -m benchmarks kills` kills the real process.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from tests.sequences.flows import FLOWS, Ended, play
from tests.sequences.world import Ground, ground

# A write that follows from a lost status is made again by each life: the dashboard, which marks when it was written.
LIVES_FOR_EACH_WRITE = 3


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.fixture(scope="module")
def undisturbed(shared: Ground) -> dict[str, Ended]:
    return {name: play(shared, name) for name in FLOWS}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_that_nobody_disturbs_writes_what_it_has_to(undisturbed: dict[str, Ended], name: str) -> None:
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
def test_a_death_at_every_write_changes_nothing(
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
        # A process that dies between the marks leaves out the others; one lives on until the alarm, one to the end. Who
        # only repeats the write of the life before makes another one: both are one point.
        points = [call for call, after in pairwise(map(str, (*ended.writes, ended.writes[0]))) if call != after]
        assert ended.lives >= len(points) - 2
    else:
        assert ended.lives >= len(expected.writes) - 1

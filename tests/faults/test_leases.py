"""Faults on both sides of a lease: of the operator that loses it, of the one that takes over, and of their clocks."""

import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.faults.flows import FLOWS
from tests.faults.operator import KEY, KEYS, SECOND
from tests.faults.pair import Pair, Succession
from tests.faults.site import PATIENCE, Site
from tests.faults.test_api_server import PAUSE_SECONDS, reported
from tests.faults.test_kills import undisturbed

from dynconfig_lab.aws.faults import Hold
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(3600)]

NewSite = Callable[[], Site]
LISTED = ["create", "edit", "rollback", "hand-over", "deletion"]
CLOCK = Path(__file__).parent / "clock"
RENEWALS = 10
"""So many, one every two seconds, take longer than the duration of a lease."""


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with what the clock of the second operator is wrong by, in seconds."""
    found = tmp_path_factory.mktemp("clock") / "offset"
    found.write_text("0")
    return found


@pytest.fixture(scope="module")
def second(scene: Stack, http: object, offset: Path) -> Iterator[ProcessGroup]:
    with scene.second_operator(SECOND, PYTHONPATH=str(CLOCK), CLOCK_OFFSET=str(offset)) as group:
        yield group


@pytest.fixture
def pair(new_site: NewSite, second: ProcessGroup) -> Iterator[Pair]:
    found = Pair(new_site(), second, lambda flow: undisturbed(flow, new_site)[0])
    yield found
    for name in KEYS:
        found.signal(name, signal.SIGCONT)
        found.revive(name)


@pytest.mark.parametrize("hold", [Hold(1, True), Hold(2, False), Hold(4, True)])
@pytest.mark.parametrize("flow", LISTED)
def test_whoever_takes_over_is_killed_at_its_writes_too(pair: Pair, points: list[str], flow: str, hold: Hold) -> None:
    expected = pair.undisturbed(flow)
    site, steps = pair.site, FLOWS[flow]
    steps.prepare(site)
    killer = Succession(site.operator, hold, 5, pair=pair)
    site.let_kill(killer)
    steps.act(site)
    steps.finish(site)
    site.wait_state(expected)
    killer.disarm()
    points += killer.operations
    site.check(*killer.operations)
    site.check_steady()
    site.check_clean()
    assert killer.killed
    assert all(one != next_one for one, next_one in pairwise(killer.killed))


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL])
@pytest.mark.parametrize("hold", [Hold(1, False), Hold(3, True)])
@pytest.mark.parametrize("flow", LISTED)
def test_operator_paused_in_a_write_writes_nothing_more_after_it_lost_its_lease(
    pair: Pair, points: list[str], flow: str, hold: Hold, end: signal.Signals
) -> None:
    expected = pair.undisturbed(flow)
    site, steps = pair.site, FLOWS[flow]
    steps.prepare(site)
    site.faults(hold=hold)
    steps.act(site)
    site.wait("a write is held", lambda: bool(site.stack.lab.held()))
    (operation, _resource), loser = site.stack.lab.held() or ("", ""), pair.holder
    pair.signal(loser, signal.SIGSTOP)
    site.faults()
    site.wait("the other operator takes over", lambda: pair.holder == pair.other(loser))
    taken_over = pair.last
    pair.signal(loser, end)
    pair.revive(loser)
    steps.finish(site)
    site.wait_state(expected)
    points.append(f"{end.name} of the loser at {operation}, write {hold.call} of {flow}")
    site.check(operation)
    site.check_steady()
    assert pair.writers(taken_over) <= {pair.other(loser)}
    site.check_clean()


@pytest.mark.parametrize("seconds", [300, -300])
@pytest.mark.parametrize("holder", KEYS)
def test_clocks_that_differ_or_jump_make_no_second_writer(
    pair: Pair, points: list[str], offset: Path, holder: str, seconds: int
) -> None:
    """The clock of the second operator jumps, while it serves, or waits for the lease."""
    site = pair.site
    offset.write_text("0")
    pair.serve(holder)
    site.declare("app", site.spec({"name": "a", "value": "0"}))
    site.wait("it is Ready", lambda: site.is_ready("app"))
    mark, renewals = pair.last, set[str]()
    offset.write_text(str(seconds))

    def edited() -> bool:
        """Whether the lease was renewed for longer than it lasts, one edit for each time."""
        renewals.add(pair.renewal)
        site.edit("app", {"spec": {"parameters": [{"name": "a", "value": str(len(renewals))}]}}).raise_for_status()
        return len(renewals) > RENEWALS

    site.wait("the lease is renewed", edited)
    site.wait("it is Ready", lambda: site.is_ready("app"))
    offset.write_text("0")
    assert pair.holder == holder
    assert pair.writers(mark) == {holder}
    points.append(f"the clock of the second operator jumps by {seconds} s")
    site.check("ssm.PutParameter")
    site.check_clean()


def test_lease_that_cannot_be_renewed_ends_all_writes(pair: Pair, points: list[str]) -> None:
    """The API server hangs for longer than a lease lasts, while AWS is changed by someone else."""
    site = pair.site
    site.declare("app", site.spec({"name": "a", "value": "1"}))
    site.wait("it is Ready", lambda: site.is_ready("app"))
    lost = reported(site, "Lost shard")
    pair.serve(KEY)
    site.stack.plane.pause_api()
    try:
        assert wait_until(lost, PATIENCE), "the lease is not given up"
        mark = pair.last
        site.ssm.put_parameter(Name=f"{site.path}/a", Value="2", Overwrite=True)
        time.sleep(PAUSE_SECONDS)  # the duration of the fault
        assert pair.writers(mark) == set()
    finally:
        site.stack.plane.resume_api()
    site.wait("the drift is corrected", lambda: site.value("a") == "1")
    points.append("the API server hangs for longer than a lease lasts")
    site.check("ssm.PutParameter")
    site.check_clean()

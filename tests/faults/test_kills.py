"""kill -9 of the operator at each AWS write of each kind, which takes effect or does not: the next process converges."""

from collections.abc import Callable
from functools import cache

import pytest
from tests.faults.flows import FLOWS
from tests.faults.site import Site, State

from dynconfig_lab.aws.faults import Hold

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(7200)]

STRIDE = 4
"""Each process makes up to so many writes. A flow runs so many times, and each of its writes is the last of one process."""

NewSite = Callable[[], Site]
Write = tuple[str, str]
"""Operation and resource, the same for each namespace."""


def write_of(site: Site, operation: str, resource: str) -> Write:
    """The same write of another namespace; ids of HTTP APIs are random."""
    is_random = operation.startswith("apigatewayv2.")
    return operation, "" if is_random else resource.replace(site.namespace, "NAMESPACE")


@cache
def undisturbed(name: str, new_site: NewSite) -> tuple[State, list[Write]]:
    """What a flow ends in without a fault, and the writes that it makes."""
    site, flow = new_site(), FLOWS[name]
    flow.prepare(site)
    before = len(site.log())
    flow.act(site)
    flow.finish(site)
    site.check()
    site.check_steady()
    made = [write_of(site, call.operation, call.resource) for call in site.log()[before:] if call.took_effect]
    state = site.state()
    site.check_clean()
    return state, list(dict.fromkeys(made))


def killed(name: str, site: Site, first: Hold, stride: int, expected: State) -> list[Write]:
    """Run a flow whose processes die from this write on; return the writes at which they died. Raises NotConverged."""
    flow = FLOWS[name]
    flow.prepare(site)
    killer = site.kill_at(first, stride)
    flow.act(site)
    flow.finish(site)
    site.wait_state(expected)
    killer.disarm()
    site.check(*killer.operations)
    site.check_clean()
    return [write_of(site, *write) for write in killer.killed_at]


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", FLOWS)
def test_operator_killed_at_any_write_is_replaced_by_one_that_converges(
    new_site: NewSite, points: list[str], name: str, is_before: bool
) -> None:
    expected, writes = undisturbed(name, new_site)
    died: list[Write] = []
    odd: list[str] = []

    def run(site: Site, first: Hold, stride: int) -> None:
        try:
            died.extend(killed(name, site, first, stride, expected))
        except AssertionError as error:
            odd.append(f"killed from {first} on: {error}")
            print(f"{name}: {odd[-1]}")

    for number in range(1, STRIDE + 1):
        run(new_site(), Hold(number, is_before), STRIDE)
    # A process that repeats a write shifts the others.
    for operation, resource in [write for write in writes if write not in died]:
        site = new_site()
        run(site, Hold(1, is_before, operation, resource.replace("NAMESPACE", site.namespace)), 0)
    points += [" ".join(write) for write in died]
    assert odd == []
    assert [write for write in writes if write not in died] == []

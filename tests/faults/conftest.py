"""One control plane, one emulated AWS and one operator for all points; the number of points is printed at the end."""

from collections.abc import Callable, Iterator

import httpx2
import pytest
from rich.console import Console
from tests.e2e.world import World
from tests.faults.account import Account
from tests.faults.operator import KEY
from tests.faults.site import Site, site

from dynconfig_lab.aws import Faults
from dynconfig_lab.stack import Stack, stack

POINTS = "points"


@pytest.fixture(scope="session")
def scene() -> Iterator[Stack]:
    with stack(Console(stderr=True), {"AWS_ACCESS_KEY_ID": KEY}) as found:
        yield found


@pytest.fixture(scope="session")
def http(scene: Stack) -> Iterator[httpx2.Client]:
    with scene.http() as client:
        # As long as there is an object, the operator keeps its event queue and rules.
        keeper = World(scene, client, "default", "/keeper")
        keeper.wait_listening("keeper")
        yield client


@pytest.fixture(scope="session")
def account(scene: Stack) -> Account:
    return Account(scene)


@pytest.fixture(scope="session")
def new_site(scene: Stack, http: httpx2.Client, account: Account) -> Callable[[], Site]:
    """Makes sites."""
    return lambda: site(scene, http, account)


@pytest.fixture(autouse=True)
def no_faults_afterwards(scene: Stack) -> Iterator[None]:
    yield
    scene.lab.faults(Faults())


@pytest.fixture
def points(record_property: Callable[[str, object], None]) -> Iterator[list[str]]:
    """The points of a test by name, which are reported and counted."""
    found: list[str] = []
    yield found
    record_property(POINTS, len(found))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # A property that is recorded at the end of a test is in the last of its reports.
    reports = [item for found in terminalreporter.stats.values() for item in found if _is_last(item)]
    total = sum(int(str(value)) for report in reports for name, value in report.user_properties if name == POINTS)
    if total:
        terminalreporter.write_line(f"{total} points of the fault sweep")


def _is_last(item: object) -> bool:
    return isinstance(item, pytest.TestReport) and item.when == "teardown"

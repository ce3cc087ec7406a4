"""One emulated AWS in this process for all tests of the lab's AWS; each test uses its own parameter names."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx2
import pytest
from tests.lab.aws.clients import connect
from tests.lab.aws.watching import Watched
from tests.lab.aws.wires import Wires

from dynconfig_lab.aws import AwsLab, Faults

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def lab() -> Iterator[AwsLab]:
    with AwsLab.start() as lab:
        yield lab


@pytest.fixture(autouse=True)
def no_faults_afterwards(lab: AwsLab) -> Iterator[None]:
    yield
    lab.faults(Faults())


@pytest.fixture(scope="session")
def aws(lab: AwsLab) -> Iterator[Callable[[str], Any]]:
    """Clients by service name, without retries."""
    clients: dict[str, Any] = {}
    with ExitStack() as opened:

        def client(service: str) -> Any:
            if service not in clients:
                clients[service] = opened.enter_context(closing(connect(lab.endpoint, service)))
            return clients[service]

        yield client


@pytest.fixture(scope="session")
def ssm(aws: Callable[[str], Any]) -> Any:
    return aws("ssm")


@pytest.fixture(scope="session")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def path() -> str:
    """A path that no other test uses, always six characters long."""
    return f"/t{next(_numbers):04d}"


@pytest.fixture
def wires(aws: Callable[[str], Any]) -> Iterator[Wires]:
    wires = Wires(aws("events"), aws("sqs"))
    yield wires
    wires.take_down()


@pytest.fixture
def watched(lab: AwsLab, aws: Callable[[str], Any]) -> Iterator[Watched]:
    watched = Watched(lab, aws("cloudwatch"))
    yield watched
    watched.take_down()

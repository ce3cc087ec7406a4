"""One emulated AWS in this process for all tests of functions; each test creates its own functions."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from tests.lab.aws.clients import connect
from tests.lab.functions.bench import QUICK, Bench

from dynconfig_lab.aws import AwsLab, Faults


@pytest.fixture(scope="session")
def lab() -> Iterator[AwsLab]:
    with AwsLab.start() as lab:
        lab.faults(QUICK)
        yield lab


@pytest.fixture(scope="session")
def aws(lab: AwsLab) -> Iterator[Callable[[str], Any]]:
    """Clients by service name, without retries."""
    clients: dict[str, Any] = {}
    with ExitStack() as opened:

        def client(service: str) -> Any:
            if service not in clients:
                more: dict[str, Any] = {"max_pool_connections": 20} if service == "lambda" else {}
                clients[service] = opened.enter_context(closing(connect(lab.endpoint, service, **more)))
            return clients[service]

        yield client


@pytest.fixture(scope="session")
def bench(lab: AwsLab, aws: Callable[[str], Any]) -> Bench:
    return Bench(aws, lab.control_url)


@pytest.fixture
def faults(lab: AwsLab) -> Iterator[Callable[[Faults], None]]:
    """Sets faults, which end with the test."""
    yield lab.faults
    lab.faults(QUICK)

"""One emulated AWS for the tests of a file."""

from collections.abc import Iterator

import pytest
from tests.emulated import emulated_aws
from tests.events.listener_harness import ListenerHarness

from dynconfig_lab.aws import AwsLab


@pytest.fixture(scope="module")
def lab() -> Iterator[AwsLab]:
    with emulated_aws() as lab:
        yield lab


@pytest.fixture
def harness(lab: AwsLab) -> Iterator[ListenerHarness]:
    found = ListenerHarness(lab)
    yield found
    found.end()

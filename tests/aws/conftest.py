"""One emulated AWS for the tests of a file."""

from collections.abc import Iterator

import pytest
from tests.emulated import emulated_aws

from dynconfig_lab.aws import AwsLab


@pytest.fixture(scope="module")
def lab() -> Iterator[AwsLab]:
    with emulated_aws() as lab:
        yield lab

"""One emulated AWS for the tests of a file."""

from collections.abc import Iterator

import pytest

from dynconfig_lab.aws import AwsLab


@pytest.fixture(scope="module")
def lab() -> Iterator[AwsLab]:
    with pytest.MonkeyPatch.context() as environment, AwsLab.start() as lab:
        environment.setenv("AWS_ACCESS_KEY_ID", "lab")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "lab")
        yield lab

"""One emulated AWS in this process for all tests of kinds; each has a path and an owner of its own."""

from collections.abc import Iterator

import pytest
from tests.kinds.workshop import Workshop, unlimited

from dynconfig.aws.session import Session
from dynconfig_lab.aws import AwsLab, Faults


@pytest.fixture(scope="session")
def lab() -> Iterator[AwsLab]:
    with pytest.MonkeyPatch.context() as environment, AwsLab.start() as lab:
        environment.setenv("AWS_ACCESS_KEY_ID", "lab")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "lab")
        yield lab


@pytest.fixture(scope="session")
def session(lab: AwsLab) -> Session:
    return unlimited(lab)


@pytest.fixture
def workshop(lab: AwsLab, session: Session) -> Iterator[Workshop]:
    yield Workshop(lab, session)
    lab.faults(Faults())

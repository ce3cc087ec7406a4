"""One emulated AWS in this process for all tests of kinds; each has a path and an owner of its own."""

from collections.abc import Iterator

import pytest
from tests.kinds.workshop import Workshop, unlimited

from dynconfig.aws.permissions import ACCOUNT_ACTIONS, ALARM_ACTIONS, DASHBOARD_ACTIONS, PARAMETER_ACTIONS
from dynconfig.aws.session import Session
from dynconfig_lab.aws import AwsLab, Faults

_PREFIXES = {"resourcegroupstaggingapi": "tag"}


@pytest.fixture(scope="session")
def lab() -> Iterator[AwsLab]:
    with pytest.MonkeyPatch.context() as environment, AwsLab.start() as lab:
        environment.setenv("AWS_ACCESS_KEY_ID", "lab")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "lab")
        yield lab


@pytest.fixture(scope="session")
def session(lab: AwsLab) -> Iterator[Session]:
    """Clients whose calls, all tests together, are held against the operator's IAM policy."""
    made: set[str] = set()
    yield unlimited(lab, lambda service, operation, _code: made.add(f"{_PREFIXES.get(service, service)}:{operation}"))
    assert made <= {*PARAMETER_ACTIONS, *ACCOUNT_ACTIONS, *ALARM_ACTIONS, *DASHBOARD_ACTIONS}


@pytest.fixture
def workshop(lab: AwsLab, session: Session) -> Iterator[Workshop]:
    yield Workshop(lab, session)
    lab.faults(Faults())

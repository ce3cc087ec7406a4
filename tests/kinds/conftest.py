"""One in-process emulated AWS for all kind tests; each has its own path and owner."""

from collections.abc import Iterator

import pytest
from tests.emulated import emulated_aws
from tests.kinds.aws_harness import AwsHarness, Watch, unlimited
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import Case, prepared
from tests.kinds.iam import action, allowed

from dynconfig.aws.session import Session
from dynconfig_lab.aws import AwsLab, Faults


@pytest.fixture(scope="session")
def lab() -> Iterator[AwsLab]:
    with emulated_aws() as lab:
        yield lab


@pytest.fixture(scope="session")
def watch() -> Iterator[Watch]:
    """Records the calls of all tests, which are checked against the operator's IAM policy."""
    watch = Watch()
    yield watch
    assert {action(call) for call in watch.calls} <= allowed(boundary="arn:aws:iam::123456789012:policy/b")


@pytest.fixture(scope="session")
def session(lab: AwsLab, watch: Watch) -> Session:
    return unlimited(lab, watch)


@pytest.fixture
def harness(lab: AwsLab, session: Session, watch: Watch) -> Iterator[AwsHarness]:
    yield AwsHarness(lab, session, watch)
    lab.faults(Faults())
    # Kinds that list the resources of an account would list those of all earlier tests.
    lab.clear()
    watch.left = None


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, harness: AwsHarness) -> Case:
    """Each kind in turn, with its prerequisites."""
    return prepared(CASES[request.param], harness)

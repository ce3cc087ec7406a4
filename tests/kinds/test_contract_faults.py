"""The contract of all kinds under faults: kills at any write and transient errors are recovered from."""

from collections.abc import Iterator

import pytest
from tests.kinds.aws_harness import REQUESTED, AwsHarness
from tests.kinds.cases.case import Case, apply, prepared, writes

from dynconfig.model.errors import DynConfigError, Throttled, Unavailable
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

MOST_WRITES = 20


def killed(harness: AwsHarness, case: Case) -> Iterator[tuple[AwsHarness, object]]:
    """Harnesses in which the process died after its first write, its second and so on; with the state before."""
    for survived in range(MOST_WRITES):
        corner = AwsHarness(harness.lab, harness.session, harness.watch)
        prepared(case, corner)
        before = case.list_names(corner)
        corner.watch.kill_after(survived, case.writes)
        try:
            corner.settle(corner.declare(case.base), case.kinds(corner))
        except KeyboardInterrupt:
            yield corner, before
            continue
        corner.watch.left = None
        assert survived, "there was no write"
        return
    raise AssertionError("it never came through")


def test_next_run_completes_after_a_kill_after_any_write(harness: AwsHarness, case: Case) -> None:
    for corner, _before in killed(harness, case):
        assert apply(corner, case, case.base).is_complete
        assert apply(corner, case, case.base).plan.is_empty


def test_deletion_cleans_up_after_a_kill_after_any_write(harness: AwsHarness, case: Case) -> None:
    for corner, before in killed(harness, case):
        corner.settle(corner.deletion(case.base), case.kinds(corner))
        assert case.list_names(corner) == before


def test_next_run_completes_a_killed_deletion(harness: AwsHarness, case: Case) -> None:
    before = case.list_names(harness)
    apply(harness, case, case.base)
    for _number in range(MOST_WRITES):
        harness.watch.kill_after(0, case.writes)
        try:
            harness.settle(harness.deletion(case.base), case.kinds(harness))
        except KeyboardInterrupt:
            continue
        assert case.list_names(harness) == before
        return
    raise AssertionError("it never came through")


# botocore makes three attempts per call.
@pytest.mark.parametrize(
    ("code", "expected"), [("ThrottlingException", Throttled), ("InternalServerError", Unavailable)]
)
def test_failing_service_is_retried(harness: AwsHarness, case: Case, code: str, expected: type[DynConfigError]) -> None:
    first = next(iter(writes(harness, case, lambda: apply(harness, case, case.base))))
    harness.settle(harness.deletion(case.base), case.kinds(harness))
    harness.clock.now += 60
    harness.lab.faults(Faults(errors={first: Injected(code, "in passing", 3)}))
    errors: list[DynConfigError] = []
    harness.settle(harness.declare(case.base), case.kinds(harness), errors)
    assert expected in {type(error) for error in errors}
    assert apply(harness, case, case.base).plan.is_empty


def test_concurrent_writes_are_retried(harness: AwsHarness, case: Case) -> None:
    before = case.list_names(harness)
    trouble = Faults(errors={name: Injected(case.busy, "concurrent write", 1) for name in case.writes})
    harness.lab.faults(trouble)
    apply(harness, case, case.base)
    harness.lab.faults(Faults())
    next(iter(case.tampers.values()))(harness)
    harness.lab.faults(trouble)
    apply(harness, case, case.base, metadata=REQUESTED)
    assert apply(harness, case, case.base).plan.is_empty
    harness.settle(harness.deletion(case.base), case.kinds(harness))
    assert case.list_names(harness) == before

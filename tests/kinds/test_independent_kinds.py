"""Independent kinds are observed concurrently and must not use the results of other kinds."""

from dataclasses import replace

import pytest
from tests.kinds.aws_harness import AwsHarness

from dynconfig.engine.observe import scope_of
from dynconfig.model.resource import Resource

pytestmark = pytest.mark.lab

SPEC = {
    "parameters": [{"name": "a", "value": "1"}],
    "function": {
        "onFailure": "arn:aws:sqs:eu-west-1:123456789012:failed",
        "triggers": {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {}},
    },
}


class Untouchable(tuple[Resource, ...]):
    """A value that must not be accessed."""

    __slots__ = ()

    def __iter__(self) -> None:  # type: ignore[override]  # it never answers
        raise AssertionError("an independent kind uses the results of others")


def test_independent_kinds_do_not_use_results_of_others(harness: AwsHarness) -> None:
    declaration = harness.declare(SPEC)
    alone = [kind for kind in harness.kinds() if getattr(kind, "is_independent", False)]
    assert len(alone) >= 8
    for kind in alone:
        scope = replace(scope_of(declaration), observed_so_far=Untouchable())
        list(kind.observe(scope, tuple(kind.desired(declaration))))

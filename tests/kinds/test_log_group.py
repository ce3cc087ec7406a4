"""Log groups: names with a common prefix, and groups that Lambda creates by itself."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.log_group import LOG_GROUP, group, listed

from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.log_group import LogGroup
from dynconfig.model.errors import AlreadyExists, Conflict, NotOwned
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def settle(harness: AwsHarness, errors: Any = None) -> Any:
    return harness.settle(harness.declare(LOG_GROUP.base), harness.kinds(LogGroup), errors)


def retention(harness: AwsHarness) -> Any:
    found = harness.aws("logs").describe_log_groups(logGroupNamePrefix=group(harness))["logGroups"]
    return next(item.get("retentionInDays") for item in found if item["logGroupName"] == group(harness))


def test_logs_have_a_retention(harness: AwsHarness) -> None:
    settle(harness)
    assert retention(harness) == 14


def test_log_groups_with_the_same_prefix_do_not_hide_the_right_one(harness: AwsHarness) -> None:
    for number in range(60):
        harness.aws("logs").create_log_group(logGroupName=f"{group(harness)}-{number:02}")
    settle(harness)
    assert settle(harness).plan.is_empty


def test_log_group_with_the_name_as_prefix_is_not_owned(harness: AwsHarness) -> None:
    harness.aws("logs").create_log_group(logGroupName=f"{group(harness)}-theirs")
    settle(harness)
    harness.settle(harness.deletion(LOG_GROUP.base), harness.kinds(LogGroup))
    assert listed(harness) == {f"{group(harness)}-theirs"}


def test_unowned_log_group_is_rejected_with_the_field(harness: AwsHarness) -> None:
    harness.aws("logs").create_log_group(logGroupName=group(harness))
    with pytest.raises(
        NotOwned, match=r"^spec\.function\.name: logGroup .* has no owner; only parameters can be adopted"
    ):
        settle(harness)


def test_concurrently_created_log_group_is_retried(harness: AwsHarness) -> None:
    fault = Injected("ResourceAlreadyExistsException", "it exists", 1)
    harness.lab.faults(Faults(errors={"logs.CreateLogGroup": fault}))
    errors: list[Any] = []
    settle(harness, errors)
    assert [type(error) for error in errors] == [Conflict]
    assert not any(isinstance(error, AlreadyExists) for error in errors)


def test_log_group_deleted_during_observe_is_recreated(harness: AwsHarness) -> None:
    settle(harness)
    fault = Injected("ResourceNotFoundException", "it went", 1)
    harness.lab.faults(Faults(errors={"logs.ListTagsForResource": fault}))
    kinds = harness.kinds(LogGroup)
    outcome = Engine(lambda _place: kinds).run(harness.declare(LOG_GROUP.base))
    status = harness.status(outcome)
    assert status["conditions"][0]["status"] == "Unknown"
    assert settle(harness).is_complete

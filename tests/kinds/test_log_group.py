"""What is particular about log groups: names that begin alike, and groups that Lambda makes by itself."""

from typing import Any

import pytest
from tests.kinds.cases.log_group import LOG_GROUP, group, listed
from tests.kinds.workshop import Workshop

from dynconfig.engine.errors import AlreadyExists, Conflict, NotOwned
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.log_group import LogGroup
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def settle(workshop: Workshop, errors: Any = None) -> Any:
    return workshop.settle(workshop.declare(LOG_GROUP.base), workshop.kinds(LogGroup), errors)


def retention(workshop: Workshop) -> Any:
    found = workshop.aws("logs").describe_log_groups(logGroupNamePrefix=group(workshop))["logGroups"]
    return next(item.get("retentionInDays") for item in found if item["logGroupName"] == group(workshop))


def test_logs_do_not_stay_for_ever(workshop: Workshop) -> None:
    settle(workshop)
    assert retention(workshop) == 14


def test_many_groups_that_begin_alike_do_not_hide_ours(workshop: Workshop) -> None:
    for number in range(60):
        workshop.aws("logs").create_log_group(logGroupName=f"{group(workshop)}-{number:02}")
    settle(workshop)
    assert settle(workshop).plan.is_empty


def test_a_group_that_only_begins_alike_is_not_ours(workshop: Workshop) -> None:
    workshop.aws("logs").create_log_group(logGroupName=f"{group(workshop)}-theirs")
    settle(workshop)
    workshop.settle(workshop.goodbye(LOG_GROUP.base), workshop.kinds(LogGroup))
    assert listed(workshop) == {f"{group(workshop)}-theirs"}


def test_a_group_that_an_earlier_function_left_is_refused_with_the_field(workshop: Workshop) -> None:
    workshop.aws("logs").create_log_group(logGroupName=group(workshop))
    with pytest.raises(
        NotOwned, match=r"^spec\.function\.name: logGroup .* has no owner; only parameters can be adopted"
    ):
        settle(workshop)


def test_a_group_that_comes_into_being_between_look_and_creation_is_looked_at_again(workshop: Workshop) -> None:
    fault = Injected("ResourceAlreadyExistsException", "it exists", 1)
    workshop.lab.faults(Faults(errors={"logs.CreateLogGroup": fault}))
    errors: list[Any] = []
    settle(workshop, errors)
    assert [type(error) for error in errors] == [Conflict]
    assert not any(isinstance(error, AlreadyExists) for error in errors)


def test_a_group_that_goes_while_it_is_looked_at_is_made_anew(workshop: Workshop) -> None:
    settle(workshop)
    fault = Injected("ResourceNotFoundException", "it went", 1)
    workshop.lab.faults(Faults(errors={"logs.ListTagsForResource": fault}))
    kinds = workshop.kinds(LogGroup)
    outcome = Engine(lambda _place: kinds).run(workshop.declare(LOG_GROUP.base))
    status = workshop.status(outcome)
    assert status["conditions"][0]["status"] == "Unknown"
    assert settle(workshop).is_complete

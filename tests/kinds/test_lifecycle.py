"""One object with all features: the calls it takes, and that its deletion leaves nothing behind."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.all import CASES, everything
from tests.kinds.cases.case import prepared
from tests.kinds.cases.failure_destination import destinations

from dynconfig import wiring
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds import registry
from dynconfig.kinds.function.value import Function
from dynconfig.model.errors import DynConfigError, NotPossible, RoleNotReady, Settling
from dynconfig.settings import Settings
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

EVERYTHING = everything()
SERVICES = [name for name in CASES if name != "attachment"]


@pytest.fixture(autouse=True)
def known_destinations(harness: AwsHarness) -> None:
    destinations(harness)


def listed(harness: AwsHarness) -> dict[str, Any]:
    """All resources of all services with similar names."""
    return {name: CASES[name].list_names(harness) for name in SERVICES}


def test_deletion_removes_everything_and_keeps_foreign_resources(harness: AwsHarness) -> None:
    # What belongs to a function or a log group is created with one, which another case creates, too.
    for case in (CASES[name] for name in SERVICES if CASES[name].is_marked):
        prepared(case, harness).create_similar(harness)
    before = listed(harness)
    errors: list[DynConfigError] = []
    outcome = harness.settle(harness.declare(EVERYTHING), harness.kinds(), errors)
    assert {type(error) for error in errors} <= {RoleNotReady, Settling}
    assert all(listed(harness)[name] != before[name] for name in SERVICES)
    harness.settle(harness.deletion(EVERYTHING, harness.status(outcome)), harness.kinds())
    assert listed(harness) == before


def test_observing_an_object_in_sync_reads_each_part_once(harness: AwsHarness) -> None:
    kinds = harness.kinds()
    status = harness.status(harness.settle(harness.declare(EVERYTHING), kinds))
    declared = harness.declare(EVERYTHING, status=status)
    # The dashboard marks revisions in status, and there was no status before.
    harness.settle(declared, kinds)
    calls = harness.calls(lambda: harness.settle(declared, kinds))
    assert not [name for name in calls if not name.partition(".")[2].startswith(("Get", "List", "Describe"))]
    # Two roles, each with its policy; everything else takes one call per operation.
    twice = {name for name, count in calls.items() if count > 1}
    assert twice == {"iam.GetRole", "iam.GetRolePolicy"}
    # The tag index is read for all objects together, every ten minutes.
    calls.pop("resourcegroupstaggingapi.GetResources", None)
    # A call for each kind but the attachment, a second one for some.
    assert sum(calls.values()) <= len(SERVICES) + 3, calls


def test_object_with_only_parameters_calls_no_other_service(harness: AwsHarness) -> None:
    kinds, spec = harness.kinds(), {"parameters": EVERYTHING["parameters"]}
    calls = harness.calls(lambda: harness.settle(harness.declare(spec, metadata={"finalizers": []}), kinds))
    assert {name.partition(".")[0] for name in calls} == {"ssm"}
    status = harness.status(harness.settle(harness.declare(spec), kinds))
    again = harness.calls(lambda: harness.settle(harness.declare(spec, status=status), kinds))
    assert {name.partition(".")[0] for name in again} <= {"ssm", "resourcegroupstaggingapi"}


def test_operator_with_only_ssm_permissions_can_delete(harness: AwsHarness) -> None:
    spec = {"parameters": EVERYTHING["parameters"]}
    status = harness.status(harness.settle(harness.declare(spec), harness.kinds()))
    denied = Injected("AccessDeniedException", "not authorized")
    reads = {
        "iam.GetRole": Injected("AccessDenied", "not authorized"),
        "logs.DescribeLogGroups": denied,
        "lambda.GetFunction": denied,
        "events.DescribeRule": denied,
        "scheduler.GetSchedule": denied,
        "apigatewayv2.GetApis": denied,
    }
    harness.lab.faults(Faults(errors=reads))
    assert harness.settle(harness.deletion(spec, status), harness.kinds()).is_complete
    assert harness.versions() == {}


def test_function_in_a_region_without_known_layer_is_rejected_before_any_write(harness: AwsHarness) -> None:
    wired = registry.kinds(
        wiring.context(harness.session, "eu-moon-1", Settings(), lambda: "123456789012", harness.clock)
    )
    functions = tuple(kind for kind in wired if kind.value is Function)
    engine, outcomes = Engine(lambda _place: functions), []
    calls = harness.calls(lambda: outcomes.append(engine.run(harness.declare({"function": {}}))))
    # AWS's public parameter may have one.
    assert calls == {"ssm.GetParameter": 1}
    assert isinstance(outcomes[0].error, NotPossible)
    assert "spec.function.extension.layerArn" in str(outcomes[0].error)

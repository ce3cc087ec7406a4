"""The IAM policy of the operator."""

import json
from pathlib import Path

from dynconfig.aws.permissions import (
    ACCOUNT_ACTIONS,
    ALARM_ACTIONS,
    DASHBOARD_ACTIONS,
    PARAMETER_ACTIONS,
    operator_policy,
)

EXAMPLE = Path(__file__).parents[2] / "manifests" / "iam" / "operator-policy.json"


def test_parameters_are_limited_to_the_paths_with_a_slash_at_their_end() -> None:
    statement, *_others = operator_policy(["/shop", "/common/"], "123456789012", "eu-west-1")["Statement"]
    assert statement["Resource"] == [
        "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/*",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/common/*",
    ]


def test_only_what_has_no_resource_level_is_allowed_on_everything() -> None:
    policy = operator_policy(["/shop"], "1", "eu-west-1", ["arn:aws:kms:eu-west-1:1:key/k"])
    wide = [statement for statement in policy["Statement"] if statement["Resource"] == "*"]
    assert [statement["Action"] for statement in wide] == [list(ACCOUNT_ACTIONS)]
    assert not any("*" in action for statement in policy["Statement"] for action in statement["Action"])


def test_keys_are_usable_through_ssm_in_the_region_and_for_the_paths_only() -> None:
    keys = operator_policy(["/shop"], "1", "eu-west-1", ["arn:aws:kms:eu-west-1:1:key/k"])["Statement"][-1]
    assert keys["Resource"] == ["arn:aws:kms:eu-west-1:1:key/k"]
    assert keys["Condition"]["StringEquals"] == {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}
    assert "*" not in keys["Condition"]["StringEquals"]["kms:ViaService"]


def test_without_keys_there_is_no_statement_about_keys() -> None:
    assert "kms" not in json.dumps(operator_policy(["/shop"], "1", "eu-west-1"))


def test_the_policy_in_the_manifests_is_the_generated_one() -> None:
    shipped = json.loads(EXAMPLE.read_text())
    actions = [action for statement in shipped["Statement"] for action in statement["Action"]]
    assert {*PARAMETER_ACTIONS, *ACCOUNT_ACTIONS, *ALARM_ACTIONS, *DASHBOARD_ACTIONS} <= set(actions)


def test_alarms_and_dashboards_are_limited_to_those_of_this_operator() -> None:
    listed = operator_policy(["/shop"], "123456789012", "eu-west-1")["Statement"]
    statements = {statement["Sid"]: statement for statement in listed}
    assert statements["Alarms"]["Resource"] == "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:dynconfig-*"
    assert statements["Dashboards"]["Resource"] == "arn:aws:cloudwatch::123456789012:dashboard/dynconfig-*"

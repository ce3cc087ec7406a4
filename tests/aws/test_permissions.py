"""The IAM policy of the operator."""

import json
from pathlib import Path

from dynconfig.aws.permissions import (
    ACCOUNT_ACTIONS,
    EVENT_RULE_ACTIONS,
    PARAMETER_ACTIONS,
    QUEUE_ACTIONS,
    operator_policy,
)

EXAMPLE = Path(__file__).parents[2] / "manifests" / "iam" / "operator-policy.json"


def test_parameters_are_limited_to_the_paths_with_a_slash_at_their_end() -> None:
    statement = operator_policy(["/shop", "/common/"], "123456789012", "eu-west-1")["Statement"][0]
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


def test_queue_and_rules_are_limited_to_the_operators_own() -> None:
    statements = {item["Sid"]: item for item in operator_policy(["/shop"], "1", "eu-west-1")["Statement"]}
    assert statements["Queue"]["Resource"] == "arn:aws:sqs:eu-west-1:1:dynconfig-*"
    assert statements["EventRules"]["Resource"] == "arn:aws:events:eu-west-1:1:rule/dynconfig-*"
    assert set(statements["Queue"]["Action"]) == set(QUEUE_ACTIONS)
    assert set(statements["EventRules"]["Action"]) == set(EVENT_RULE_ACTIONS)


def test_without_keys_there_is_no_statement_about_keys() -> None:
    assert "kms" not in json.dumps(operator_policy(["/shop"], "1", "eu-west-1"))


def test_the_policy_in_the_manifests_is_the_generated_one() -> None:
    shipped = json.loads(EXAMPLE.read_text())
    actions = [action for statement in shipped["Statement"] for action in statement["Action"]]
    assert {*PARAMETER_ACTIONS, *ACCOUNT_ACTIONS, *QUEUE_ACTIONS, *EVENT_RULE_ACTIONS} <= set(actions)

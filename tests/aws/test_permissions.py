"""The IAM policy of the operator."""

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dynconfig.aws.layers import layer
from dynconfig.aws.own_facts import QUEUE, RULES
from dynconfig.aws.permissions import advice, operator_policy
from dynconfig.cli.app import application
from dynconfig.model.allowed import NAMED_LIKE_OURS, Allowed, Part
from dynconfig.model.arns import Arns
from dynconfig.model.naming import Names
from dynconfig.model.resource import Owner

EXAMPLES = Path(__file__).parents[2] / "manifests" / "iam"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
ACCOUNT, REGION = "123456789012", "eu-west-1"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OPERATOR = "arn:aws:iam::123456789012:role/dynconfig-operator"
ARNS = Arns(REGION, lambda: ACCOUNT)
# Actions without a resource level.
ACCOUNT_ACTIONS = ["ec2:DescribeImages", "ssm:DescribeParameters", "tag:GetResources"]
ALARM_ACCOUNT_ACTIONS = [
    "cloudwatch:DescribeAlarmHistory",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:PutCompositeAlarm",
]

PARAMETERS_ONLY: dict[str, Any] = {"functions": (), "alarms": False, "dashboards": False}


def policy(**about: Any) -> dict[str, dict[str, Any]]:
    """The statements by their names."""
    allowed = Allowed(**{"paths": ["/shop"], "account": ACCOUNT, "region": REGION, **about})
    return {statement["Sid"]: statement for statement in operator_policy(allowed)["Statement"]}


def allows(statements: dict[str, dict[str, Any]], action: str, resource: str) -> bool:
    return any(
        action in statement["Action"]
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in _listed(statement["Resource"]))
        for statement in statements.values()
    )


def _listed(resources: Any) -> list[str]:
    return [resources] if isinstance(resources, str) else resources


def test_parameters_are_limited_to_the_paths_with_a_trailing_slash() -> None:
    assert policy(paths=["/shop", "/common/"])["Parameters"]["Resource"] == [
        "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/*",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/common/*",
    ]


def test_only_actions_without_resource_level_are_allowed_on_everything() -> None:
    wide = [statement for statement in policy(keys=[KEY]).values() if statement["Resource"] == "*"]
    assert [statement["Action"] for statement in wide] == [
        [*ACCOUNT_ACTIONS, "logs:DescribeLogGroups", *ALARM_ACCOUNT_ACTIONS],
        ["cloudwatch:PutMetricData"],
    ]
    region = {"aws:RequestedRegion": REGION}
    assert wide[0]["Condition"] == {"StringEquals": region}
    assert wide[1]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "DynamicConfig", **region}}


def test_writer_of_an_image_parameter_may_describe_images() -> None:
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
    assert allows(policy(**PARAMETERS_ONLY), "ec2:DescribeImages", "*")


@pytest.mark.parametrize("boundary", ["", "arn:aws:iam::123456789012:policy/boundary"])
def test_no_action_is_a_wildcard(boundary: str) -> None:
    found = policy(keys=[KEY], boundary=boundary, operator_role=OPERATOR).values()
    actions = [action for item in found if item["Effect"] == "Allow" for action in item["Action"]]
    assert not any("*" in action for action in actions)


def test_keys_are_usable_through_ssm_in_the_region_and_for_the_paths_only() -> None:
    keys = policy(keys=[KEY])["Keys"]
    assert keys["Resource"] == [KEY]
    assert keys["Condition"]["StringEquals"] == {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}
    assert keys["Condition"]["StringLike"] == {
        "kms:EncryptionContext:PARAMETER_ARN": ["arn:aws:ssm:eu-west-1:123456789012:parameter/shop/*"]
    }


def test_key_of_an_alias_is_usable_by_a_condition() -> None:
    alias = "arn:aws:kms:eu-west-1:123456789012:alias/shop"
    found = policy(keys=[KEY, alias])
    assert found["Keys"]["Resource"] == [KEY]
    assert found["KeyAliases"]["Resource"] == ["arn:aws:kms:eu-west-1:123456789012:key/*"]
    by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/shop"]}}
    assert found["KeyAliases"]["Condition"] == {**found["Keys"]["Condition"], **by_alias}
    assert "Keys" not in policy(keys=[alias])


def test_event_queue_and_rules_are_limited_to_our_prefix() -> None:
    statements = policy(**PARAMETERS_ONLY)
    queue, rule = (
        "arn:aws:sqs:eu-west-1:123456789012:dynconfig-*",
        "arn:aws:events:eu-west-1:123456789012:rule/dynconfig-*",
    )
    assert statements["Events"]["Resource"] == [queue, rule]
    granted = [grant for facts in (QUEUE, RULES) for grant in facts.grants if grant.statement == NAMED_LIKE_OURS]
    assert set(statements["Events"]["Action"]) == {action for grant in granted for action in grant.actions}
    assert statements["EventRules"]["Resource"] == rule
    assert statements["EventRules"]["Action"] == ["events:DeleteRule", "events:RemoveTargets"]


def test_no_statement_about_keys_without_keys() -> None:
    assert "kms" not in json.dumps(policy())


def test_operator_for_parameters_only_may_do_nothing_else() -> None:
    assert set(policy(**PARAMETERS_ONLY)) == {"Parameters", "Metadata", "Events", "EventRules"}
    assert policy(**PARAMETERS_ONLY)["Metadata"]["Action"] == ACCOUNT_ACTIONS


def test_operator_for_parameters_may_have_alarms_and_dashboards_without_a_function() -> None:
    found = policy(functions=())
    assert set(found) == {"Parameters", "Metadata", "Events", "EventRules", "Metrics", "New", "Own"}
    assert found["Metadata"]["Action"] == [*ACCOUNT_ACTIONS, *ALARM_ACCOUNT_ACTIONS]


@pytest.mark.parametrize(
    ("namespace", "name", "function"),
    [
        ("shop", "myapp", None),
        ("n" * 60, "m" * 60, None),
        ("shop", "my.app", None),
        ("shop", "myapp", "dynconfig-" + "x" * 54),
        ("shop", "myapp", "dynconfig-Mixed-Case"),
    ],
)
def test_every_allowed_name_prefix_can_be_used_with_all_derived_names(
    namespace: str, name: str, function: str | None
) -> None:
    names = Names.of(Owner("cluster", namespace, name, "uid"), REGION, function, None)
    patterns = ["dynconfig-*"] if function is None else ["dynconfig-*", function]
    for functions in [["dynconfig-*"], patterns[-1:]]:
        _check_all(policy(functions=functions), names)


def _check_all(found: dict[str, dict[str, Any]], names: Names) -> None:
    for role in (names.role, names.scheduler_role):
        assert allows(found, "iam:CreateRole", ARNS.role(role))
        # A role that does not exist yet is read by its name alone.
        assert allows(found, "iam:GetRole", ARNS.role(role, path="/"))
        assert allows(found, "iam:PassRole", ARNS.role(role))
    assert allows(found, "lambda:CreateFunction", ARNS.function(names.function))
    assert allows(found, "logs:TagResource", ARNS.log_group(names.log_group))
    assert allows(found, "logs:CreateLogGroup", f"{ARNS.log_group(names.log_group)}:*")
    assert allows(found, "events:PutRule", ARNS.rule(names.rule))
    assert allows(found, "scheduler:CreateSchedule", ARNS.schedule(names.schedule))
    assert allows(found, "cloudwatch:PutMetricAlarm", ARNS.alarm(names.alarm("Errors")))
    assert allows(found, "cloudwatch:PutDashboard", ARNS.dashboard(names.dashboard))


@pytest.mark.parametrize(
    ("action", "arn"),
    [
        ("lambda:UpdateFunctionCode", ARNS.function("payments")),
        ("iam:PutRolePolicy", ARNS.role("dynconfig-admin", path="/")),
        ("iam:PassRole", ARNS.role("dynconfig-admin", path="/")),
        ("iam:DeleteRole", ARNS.role("dynconfig-admin", path="/")),
        ("iam:GetRole", ARNS.role("admin", path="/")),
        ("events:PutRule", ARNS.rule("payments")),
        ("scheduler:UpdateSchedule", ARNS.schedule("payments")),
        ("cloudwatch:DeleteAlarms", ARNS.alarm("payments/Errors")),
        ("cloudwatch:PutDashboard", ARNS.dashboard("payments")),
        ("logs:DeleteLogGroup", ARNS.log_group("/aws/lambda/payments")),
        ("lambda:CreateFunction", "arn:aws:lambda:us-east-1:123456789012:function:dynconfig-a"),
    ],
)
def test_names_of_other_owners_are_not_allowed(action: str, arn: str) -> None:
    assert not allows(policy(functions=["dynconfig-*"]), action, arn)


def test_roles_are_passed_to_lambda_and_scheduler_only() -> None:
    passed = policy()["PassRole"]
    assert passed["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}
    }


def test_roles_of_attached_functions_get_a_policy_and_nothing_else() -> None:
    found = policy(functions=["dynconfig-*"], attached_roles=["team-*"])
    theirs, console, others = (ARNS.role(f"{path}team-a", path="/") for path in ("", "service-role/", "o/others-"))
    assert allows(found, "iam:PutRolePolicy", theirs)
    # The Lambda console creates roles below a path.
    assert allows(found, "iam:PutRolePolicy", console)
    assert not allows(found, "iam:PutRolePolicy", others)
    assert not allows(found, "iam:DeleteRole", theirs)
    assert not allows(found, "iam:PassRole", theirs)


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1"])
def test_extension_layer_may_be_read_in_any_version(region: str, architecture: str) -> None:
    assert allows(policy(region=region), "lambda:GetLayerVersion", layer(region, architecture))


def test_extension_layer_may_be_of_any_account_in_a_region_without_known_layers() -> None:
    arn = "arn:aws:lambda:eu-moon-1:111122223333:layer:AWS-Parameters-and-Secrets-Lambda-Extension:1"
    own = "arn:aws:lambda:eu-moon-1:123456789012:layer:own:3"
    found = policy(region="eu-moon-1", own_layers=[own])
    assert allows(found, "lambda:GetLayerVersion", arn)
    assert allows(found, "lambda:GetLayerVersion", own)


def test_http_apis_are_reached_by_verbs_below_their_own_paths() -> None:
    found = policy()
    base = "arn:aws:apigateway:eu-west-1::"
    for verb, path in [
        ("POST", "/apis"),
        ("PATCH", "/apis/a1/routes/r1"),
        # As AWS names what is tagged at its creation, and what is tagged later.
        ("POST", "/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fv2%2Fapis%2F*"),
        ("DELETE", "/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fa1"),
        ("GET", "/apis"),
    ]:
        assert allows(found, f"apigateway:{verb}", base + path)
    assert not allows(found, "apigateway:DELETE", f"{base}/restapis/a1")
    assert not allows(found, "apigateway:POST", f"{base}/domainnames")
    assert not allows(found, "apigateway:POST", f"{base}/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Frestapis%2Fa1")


def test_arns_are_of_the_partition_of_the_region() -> None:
    assert "arn:aws:" not in json.dumps(policy(region="cn-north-1"))


def length(policy: dict[str, Any]) -> int:
    return len("".join(json.dumps(policy).split()))


def test_policy_fits_a_managed_policy() -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    about: Any = {"paths": [f"/path-{number}" for number in range(8)], "operator_role": OPERATOR}
    found = operator_policy(Allowed(account=ACCOUNT, region=REGION, **about))
    assert length(found) <= 6144
    assert advice(found) == ""


def test_two_policies_fit_with_a_boundary_keys_and_many_paths() -> None:
    # Each kind takes up to 400 characters, and each pattern of names about 600.
    paths, names = [f"/path-{number}" for number in range(16)], ["shop-*"]
    about: Any = {"paths": paths, "functions": names, "keys": [KEY], "boundary": KEY, "attached_roles": ["shop-*"]}
    allowed = Allowed(account=ACCOUNT, region=REGION, operator_role=OPERATOR, **about)
    whole, parts = operator_policy(allowed), [operator_policy(allowed, part) for part in Part]
    assert ": print two, with --part parameters and --part functions, or give it to the role as an inline" in advice(
        whole
    )
    assert [advice(part, Part.PARAMETERS) for part in parts] == ["", ""]
    assert whole["Statement"] == [statement for part in parts for statement in part["Statement"]]


@pytest.mark.parametrize("part", list(Part))
def test_policies_in_the_manifests_are_the_generated_ones(part: Part) -> None:
    asked = ["iam", "--path", "/myapp", "--function", "dynconfig-*", "--function", "myapp-*", "--key", KEY]
    asked += ["--account", ACCOUNT, "--region", REGION, "--operator-role", OPERATOR, "--boundary", BOUNDARY]
    asked += ["--part", part.value]
    assert CliRunner().invoke(application(asked), asked).stdout == (EXAMPLES / f"{part.value}.json").read_text()


def test_policy_of_a_target_in_the_manifests_is_the_generated_one() -> None:
    asked = ["iam", "--target", str(EXAMPLES.parent / "examples" / "tenants" / "target.yaml")]
    assert CliRunner().invoke(application(asked), asked).stdout == (EXAMPLES / "target.json").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--function", "a/b"], "--function: invalid value 'a/b', expected e.g. shop-*"),
        (["--function", ""], "--function: invalid value '', expected e.g. shop-*"),
        (
            ["--attached-role", "arn:aws:iam::1:role/a"],
            "--attached-role: invalid value 'arn:aws:iam::1:role/a', expected e.g. shop-*",
        ),
        (["--function", "*"], "the pattern '*' also matches names that are not meant for the operator"),
        (["--attached-role", "*"], "the pattern '*' also matches names that are not meant for the operator"),
    ],
)
def test_patterns_of_names_are_checked(more: list[str], words: str) -> None:
    asked = ["iam", "--path", "/a", "--account", ACCOUNT, "--region", REGION, *more]
    answer = CliRunner().invoke(application(asked), asked)
    assert words in str(answer.exception or " ".join(answer.stderr.split()))


def test_command_prints_the_requested_policy() -> None:
    boundary, own = "arn:aws:iam::123456789012:policy/b", "arn:aws:lambda:us-east-1:123456789012:layer:l:1"
    asked = [
        "iam",
        "--path",
        "/a",
        "--region",
        "us-east-1",
        "--account",
        ACCOUNT,
        "--boundary",
        boundary,
        "--layer",
        own,
    ]
    printed = json.loads(CliRunner().invoke(application(asked), [*asked, "--attached-role", "team-*"]).stdout)
    allowed = Allowed(
        paths=["/a"],
        account=ACCOUNT,
        region="us-east-1",
        boundary=boundary,
        own_layers=[own],
        attached_roles=["team-*"],
    )
    assert printed == operator_policy(allowed)
    only = ["iam", "--path", "/a", "--parameters-only", "--account", ACCOUNT, "--region", REGION]
    without = {"Parameters", "Metadata", "Events", "EventRules"}
    for more, sids in (([], without), (["--alarms"], without | {"Metrics", "New", "Own"})):
        policy_document = json.loads(CliRunner().invoke(application(asked), [*only, *more]).stdout)
        assert {item["Sid"] for item in policy_document["Statement"]} == sids

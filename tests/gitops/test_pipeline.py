"""The sample pipeline on AWS: a valid CloudFormation template, and minimal permissions for each role."""

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.gitops.delivery import PIPELINE, inline_buildspec, resources

from dynconfig.aws.permissions import operator_policy
from dynconfig.model.allowed import Allowed

PARAMETERS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${Path}"


def properties(name: str) -> dict[str, Any]:
    return dict(resources()[name]["Properties"])


def statements(role: str) -> list[dict[str, Any]]:
    """All permissions of a role, by its own policies and those of the template."""
    shared = [properties(name)["PolicyDocument"] for name in properties(role)["ManagedPolicyArns"]]
    own = [policy["PolicyDocument"] for policy in properties(role)["Policies"]]
    return [statement for document in (*shared, *own) for statement in document["Statement"]]


def granted(role: str) -> set[str]:
    return {action for statement in statements(role) for action in _listed(statement["Action"])}


def where(role: str, prefix: str) -> list[str]:
    """The resources of permissions that start like this."""
    found = (item for item in statements(role) if any(name.startswith(prefix) for name in _listed(item["Action"])))
    return [resource for item in found for resource in _listed(item["Resource"])]


def test_cfn_lint_reports_nothing_for_the_pipeline() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--regions", "eu-west-1", "us-east-1", "--template", str(PIPELINE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_pipeline_stages_lead_from_plan_to_production() -> None:
    stages = properties("Pipeline")["Stages"]
    assert [stage["Name"] for stage in stages] == ["Source", "Plan", "Staging", "Production"]
    moves = [
        {item["name"]: item["value"] for item in json.loads(action["Configuration"]["EnvironmentVariables"])}
        for stage in stages
        for action in stage["Actions"]
        if "EnvironmentVariables" in action.get("Configuration", {})
    ]
    assert moves == [{"FROM": "dev", "TO": "staging"}, {"FROM": "staging", "TO": "prod"}]
    assert all(stage["Actions"][0]["ActionTypeId"]["Category"] == "Approval" for stage in stages[2:])


READ = re.compile(r"(\w+):(Get|Describe|List|Decrypt|GET$)")
# Their permissions are limited to paths, names and keys, or there is one for all kinds.
WRITTEN_BY_HAND = {"ssm", "kms", "lambda", "tag"}


def reads() -> list[str]:
    """The actions by which a plan reads what the operator reads."""
    allowed = Allowed(paths=["/shop"], account="1", region="eu-west-1", keys=["k"])
    # A plan does not use the operator's queue.
    planned = [item for item in operator_policy(allowed)["Statement"] if item["Sid"] not in ("Queue", "EventRules")]
    found = [action for item in planned for action in item["Action"] if READ.match(action)]
    # SSM reads images with the permissions of the writer.
    found.remove("ec2:DescribeImages")
    return found


def test_reads_of_the_kinds_are_in_the_template() -> None:
    found = {match.groups() for action in reads() if (match := READ.match(action)) and match[1] not in WRITTEN_BY_HAND}
    actions = sorted(f"{service}:{verb}{'' if verb == 'GET' else '*'}" for service, verb in found)
    listed = "".join(f'              - "{action}"\n' for action in actions)
    begin, end = "written by make generate.\n            Action:\n", '            Resource: "*"\n'
    before, after = PIPELINE.read_text().split(begin)
    written = f"{before}{begin}{listed}{end}{after.partition(end)[2]}"
    if os.environ.get("GOLDEN") == "write":
        PIPELINE.write_text(written)
    assert PIPELINE.read_text() == written, "run `make golden`, and review the diff"


def test_planning_roles_may_read_what_the_operator_reads_and_write_nothing() -> None:
    asked = reads()
    assert asked
    of_builds = {
        action for name in ("Building", "Carrying") for item in _document(name) for action in _listed(item["Action"])
    }
    for role in ("PlanRole", "PullRequestRole"):
        given = granted(role)
        assert [action for action in asked if not any(fnmatch(action, pattern) for pattern in given)] == []
        own = given - of_builds
        assert all(re.fullmatch(r"[a-z]+:(Get|Describe|List|Decrypt|GET)[A-Za-z]*\*?", action) for action in own)


def test_pull_request_role_reads_nothing_of_production() -> None:
    assert where("PullRequestRole", "ssm:Get") == [f"{PARAMETERS}/dev/*", f"{PARAMETERS}/staging/*"]
    assert where("PlanRole", "ssm:Get") == [f"{PARAMETERS}/*"]
    for role in ("PullRequestRole", "PlanRole"):
        (decrypt,) = (item for item in statements(role) if "kms:Decrypt" in _listed(item["Action"]))
        condition = decrypt["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"]
        assert condition == where(role, "ssm:Get")
    groups = {properties(name)["PrincipalArn"]: properties(name)["KubernetesGroups"] for name in _entries()}
    assert groups["PullRequestRole.Arn"] == ["dynconfig-pull-request"]
    assert groups["PlanRole.Arn"] == ["dynconfig-planner"]


def test_pull_request_role_cannot_change_what_the_pipeline_builds() -> None:
    assert not [action for action in granted("PullRequestRole") if action.startswith("s3:")]
    assert properties("PullRequests")["ServiceRole"] == "PullRequestRole.Arn"
    assert properties("Plan")["ServiceRole"] == "PlanRole.Arn"


def test_only_data_of_a_pull_request_is_used() -> None:
    build = inline_buildspec()["phases"]["build"]["commands"]
    scripts = [line for line in build if ".sh" in line]
    assert all(line.startswith('"$CODEBUILD_SRC_DIR_main"/environments/delivery/') for line in scripts)
    # Each shell variable remains for the following commands.
    assert [line.removesuffix(" || [ $? -eq 2 ]").rpartition("/")[2] for line in build] == [
        'environments"',
        "plan.sh dev staging",
        'environments"',
        "plan.sh prod",
    ]
    project = properties("PullRequests")
    assert [item["SourceIdentifier"] for item in project["SecondarySources"]] == ["main"]
    assert project["SecondarySourceVersions"] == [{"SourceIdentifier": "main", "SourceVersion": "main"}]


def test_only_pull_requests_into_main_are_planned_and_forks_need_approval() -> None:
    triggers = properties("PullRequests")["Triggers"]
    (filters,) = triggers["FilterGroups"]
    assert {"Type": "BASE_REF", "Pattern": "^refs/heads/main$"} in filters
    assert triggers["PullRequestBuildPolicy"] == {
        "RequiresCommentApproval": "FORK_PULL_REQUESTS",
        "ApproverRoles": ["GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN"],
    }


def _entries() -> list[str]:
    return [name for name, item in resources().items() if item["Type"] == "AWS::EKS::AccessEntry"]


def _document(name: str) -> list[dict[str, Any]]:
    return list(properties(name)["PolicyDocument"]["Statement"])


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)

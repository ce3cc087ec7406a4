"""Roles: IAM is eventually consistent, deletes only roles without policies, and limits policy size."""

import json
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.role import DENY, FUNCTION, TRUST, create, listed, role_name, with_secret
from tests.kinds.wire import requests

from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.kinds.role import Role
from dynconfig.model.errors import AccessDenied, Conflict, NotFound, NotOwned, NotPossible
from dynconfig.settings import Settings
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

BASE: dict[str, Any] = {"function": {}}
PARAMETERS = [{"name": "one", "value": "1"}]
BOUNDARY, OTHER = (f"arn:aws:iam::123456789012:policy/{name}" for name in ("boundary", "other"))


def settle(harness: AwsHarness, spec: Any, errors: Any = None, **about: Any) -> Any:
    return harness.settle(harness.declare(spec, **about), harness.kinds(Role), errors)


def delete(harness: AwsHarness) -> Any:
    kinds = harness.kinds(Role)
    return Engine(lambda _place: kinds).run(harness.deletion(BASE))


def policy(harness: AwsHarness) -> list[dict[str, Any]]:
    answer = harness.aws("iam").get_role_policy(RoleName=role_name(harness), PolicyName="dynconfig")
    found: list[dict[str, Any]] = answer["PolicyDocument"]["Statement"]
    return found


def bounded(harness: AwsHarness, name: str) -> str:
    role = harness.aws("iam").get_role(RoleName=name)["Role"]
    return str(role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))


def test_function_role_allows_only_reads_below_its_path_and_its_logs(harness: AwsHarness) -> None:
    settle(harness, BASE)
    read, logs = policy(harness)
    assert read["Action"] == ["ssm:GetParameter", "ssm:GetParameters"]
    assert read["Resource"] == f"arn:aws:ssm:eu-west-1:123456789012:parameter{harness.path}/*"
    assert logs["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert logs["Resource"] == f"arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{harness.name}:*"


def test_role_allows_decrypt_only_with_a_secure_string_via_regional_ssm(
    harness: AwsHarness,
) -> None:
    settle(harness, BASE)
    assert "kms" not in json.dumps(policy(harness))
    harness.secrets["db/password"] = "pw"
    settle(harness, with_secret({}), generation=2)
    (keys,) = (statement for statement in policy(harness) if "kms" in str(statement["Action"]))
    assert keys["Action"] == "kms:Decrypt"
    assert keys["Condition"] == {
        "StringEquals": {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"},
        "StringLike": {
            "kms:EncryptionContext:PARAMETER_ARN": f"arn:aws:ssm:eu-west-1:123456789012:parameter{harness.path}/*"
        },
    }


@pytest.mark.parametrize(
    ("destination", "action"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:q", "sqs:SendMessage"),
        ("arn:aws:sns:eu-west-1:123456789012:t", "sns:Publish"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", "lambda:InvokeFunction"),
        ("arn:aws:events:eu-west-1:123456789012:event-bus/b", "events:PutEvents"),
    ],
)
def test_role_allows_sending_only_to_the_destination(harness: AwsHarness, destination: str, action: str) -> None:
    settle(harness, {"function": {"onFailure": destination}})
    assert policy(harness)[-1] == {"Effect": "Allow", "Action": action, "Resource": destination}


def test_scheduler_role_is_limited_to_this_account_and_function(
    harness: AwsHarness,
) -> None:
    settle(harness, {"function": FUNCTION})
    name = f"{harness.name}-eu-west-1-schedule"
    iam = harness.aws("iam")
    (trust,) = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (may,) = iam.get_role_policy(RoleName=name, PolicyName="dynconfig")["PolicyDocument"]["Statement"]
    assert may["Resource"] == f"arn:aws:lambda:eu-west-1:123456789012:function:{harness.name}"


def test_foreign_policies_do_not_block_role_deletion(harness: AwsHarness) -> None:
    settle(harness, BASE)
    iam, name = harness.aws("iam"), role_name(harness)
    arn = iam.create_policy(PolicyName=f"{harness.name}-theirs", PolicyDocument=DENY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    iam.put_role_policy(RoleName=name, PolicyName="theirs", PolicyDocument=DENY)
    assert delete(harness).is_complete
    assert listed(harness) == set()
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 0


@pytest.mark.parametrize("call", ["iam.DetachRolePolicy", "iam.DeleteRolePolicy"])
def test_concurrently_removed_policy_does_not_block_role_deletion(harness: AwsHarness, call: str) -> None:
    settle(harness, BASE)
    iam, name = harness.aws("iam"), role_name(harness)
    arn = iam.create_policy(PolicyName=f"{harness.name}-theirs", PolicyDocument=DENY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    harness.lab.faults(Faults(errors={call: Injected("NoSuchEntity", "it went", 1)}))
    harness.settle(harness.deletion(BASE), harness.kinds(Role))
    assert listed(harness) == set()


def test_role_in_use_is_reported_with_backoff(harness: AwsHarness) -> None:
    settle(harness, BASE)
    iam, name = harness.aws("iam"), role_name(harness)
    iam.create_instance_profile(InstanceProfileName=harness.name)
    iam.add_role_to_instance_profile(InstanceProfileName=harness.name, RoleName=name)
    error = delete(harness).error
    assert isinstance(error, Conflict)
    assert error.delay is None
    assert str(error).startswith(f"role {name}: DeleteRole failed with DeleteConflict")
    iam.remove_role_from_instance_profile(InstanceProfileName=harness.name, RoleName=name)
    assert delete(harness).is_complete
    assert listed(harness) == set()


def test_role_not_yet_propagated_is_retried(harness: AwsHarness) -> None:
    harness.lab.faults(Faults(errors={"iam.PutRolePolicy": Injected("NoSuchEntity", "no such role", 1)}))
    errors: list[Any] = []
    settle(harness, BASE, errors)
    assert [type(error) for error in errors] == [NotFound]
    assert policy(harness)


def test_concurrently_created_role_is_retried(harness: AwsHarness) -> None:
    kinds = harness.kinds(Role)
    engine = Engine(lambda _place: kinds)
    with requests(harness, "iam", "CreateRole") as made:
        harness.lab.faults(Faults(errors={"iam.CreateRole": Injected("EntityAlreadyExists", "it exists", 1)}))
        assert isinstance(engine.run(harness.declare(BASE)).error, Conflict)
        create(harness, role_name(harness))
        assert isinstance(engine.run(harness.declare(BASE)).error, NotOwned)
    assert len(made) == 2


def test_foreign_role_is_rejected_with_the_field(harness: AwsHarness) -> None:
    create(harness, f"{harness.name}-own")
    with pytest.raises(NotOwned, match=r"^spec\.function\.roleName: role .* already exists"):
        settle(harness, {"function": {"roleName": f"{harness.name}-own"}})


def test_role_of_an_earlier_version_is_kept_and_blocks_only_its_users(harness: AwsHarness) -> None:
    name = f"{harness.name}-earlier"
    create(harness, name, Path="/", Tags=[{"Key": "dynconfig.dev/owner", "Value": harness.owner().tag}])
    spec: dict[str, Any] = {"function": {"roleName": name}, "parameters": PARAMETERS}
    kinds = harness.kinds(Parameter, Role)
    with requests(harness, "iam", "TagRole", "PutRolePolicy", "CreateRole") as made:
        error = Engine(lambda _place: kinds).run(harness.declare(spec)).error
    assert isinstance(error, NotPossible)
    assert str(error).startswith(f"spec.function.roleName: role {name} has the path /, but")
    assert "Choose another name" in str(error)
    assert (made, harness.versions()) == ([], {"one": 1})


def test_too_long_policy_is_rejected_before_the_first_write(harness: AwsHarness) -> None:
    (kind,) = harness.kinds(Role)
    role = Role(name="r", arn="arn:aws:iam::123456789012:role/dynconfig/r", trust="{}", policy="x" * 10_240)
    kind.refuse(role, None)
    with pytest.raises(NotPossible, match="exceeds the IAM limit of 10240 characters"):
        kind.refuse(Role(name="r", trust="{}", policy="x" * 10_241), role)


def test_roles_have_the_permissions_boundary(harness: AwsHarness) -> None:
    kinds = harness.kinds(Role, settings=Settings(boundary=BOUNDARY))
    harness.settle(harness.declare({"function": FUNCTION}), kinds)
    name = role_name(harness)
    assert bounded(harness, name) == bounded(harness, f"{harness.name}-eu-west-1-schedule") == BOUNDARY
    for tamper in (OTHER, ""):
        iam = harness.aws("iam")
        if tamper:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=tamper)
        else:
            iam.delete_role_permissions_boundary(RoleName=name)
        outcome = harness.settle(harness.declare({"function": FUNCTION}), kinds)
        assert [because.field for step in outcome.applied for because in step.because] == ["boundary"]
        assert bounded(harness, name) == BOUNDARY


def test_boundary_is_set_before_the_policy(harness: AwsHarness) -> None:
    settle(harness, BASE)
    with requests(harness, "iam", "PutRolePermissionsBoundary", "PutRolePolicy") as made:
        harness.secrets["db/password"] = "pw"
        kinds = harness.kinds(Role, settings=Settings(boundary=BOUNDARY))
        harness.settle(harness.declare(with_secret({}), generation=2), kinds)
    assert [operation for operation, _request in made] == ["PutRolePermissionsBoundary", "PutRolePolicy"]


BOUNDED_WRITES = (
    *("PutRolePermissionsBoundary", "UpdateAssumeRolePolicy", "TagRole", "PutRolePolicy"),
    *("DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"),
)


@pytest.mark.parametrize("boundary", [OTHER, ""])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_boundary_is_restored_before_any_other_write(harness: AwsHarness, boundary: str, is_deleted: bool) -> None:
    kinds = harness.kinds(Role, settings=Settings(boundary=BOUNDARY))
    harness.settle(harness.declare(BASE), kinds)
    iam, name = harness.aws("iam"), role_name(harness)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST.replace("lambda", "ec2"))
    iam.put_role_policy(RoleName=name, PolicyName="dynconfig", PolicyDocument=DENY)
    if boundary:
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    else:
        iam.delete_role_permissions_boundary(RoleName=name)
    with requests(harness, "iam", *BOUNDED_WRITES) as made:
        declared = harness.deletion(BASE) if is_deleted else harness.declare({**BASE, "tags": {"a": "b"}}, generation=2)
        harness.settle(declared, kinds)
    assert len(made) > 2
    assert made[0] == ("PutRolePermissionsBoundary", {"RoleName": name, "PermissionsBoundary": BOUNDARY})
    assert [operation for operation, _request in made].count("PutRolePermissionsBoundary") == 1


def test_no_function_is_created_with_a_role_without_boundary(harness: AwsHarness) -> None:
    settle(harness, BASE)
    kinds = harness.kinds(settings=Settings(boundary=BOUNDARY))
    denied = Injected("AccessDenied", "not authorized")
    harness.lab.faults(Faults(errors={"iam.PutRolePermissionsBoundary": denied}))
    with requests(harness, "lambda", "CreateFunction") as made:
        outcome = Engine(lambda _place: kinds).run(harness.declare(BASE))
    assert isinstance(outcome.error, AccessDenied)
    assert made == []


def test_foreign_boundary_is_kept_if_none_is_configured(harness: AwsHarness) -> None:
    settle(harness, BASE)
    harness.aws("iam").put_role_permissions_boundary(RoleName=role_name(harness), PermissionsBoundary=OTHER)
    assert settle(harness, BASE).plan.is_empty
    assert bounded(harness, role_name(harness)) == OTHER

"""IAM's roles in the lab: case-insensitive names, validated policies, limits."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import policy, trust

pytestmark = pytest.mark.lab

TRUST = trust("lambda")
_numbers = itertools.count(1)


@pytest.fixture
def iam(aws: Callable[[str], Any]) -> Any:
    return aws("iam")


@pytest.fixture
def role(iam: Any) -> str:
    """An existing role."""
    name = f"Role-Of-Test-{next(_numbers)}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return name


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def long_policy(size: int) -> str:
    """A policy of this length, not counting white space."""
    bare = policy({"Effect": "Allow", "Action": "s3:Get", "Resource": "arn:aws:s3:::"}).replace(" ", "")
    return bare.replace("s3:::", "s3:::" + "x" * (size - len(bare)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 65, "less than or equal to 64"),
        ("a b", "The specified value for roleName is invalid."),
        ("grün", "roleName is invalid."),
    ],
)
def test_invalid_name_is_rejected(iam: Any, name: str, words: str) -> None:
    found = refusal(lambda: iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST))
    assert found[:2] == ("ValidationError", 400)
    assert words in found[2]


def test_names_have_up_to_64_characters_and_some_signs(iam: Any) -> None:
    name = "a_+=,.@-" + "x" * 56
    assert iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["RoleName"] == name


def test_names_that_differ_only_in_case_conflict(iam: Any, role: str) -> None:
    found = refusal(lambda: iam.create_role(RoleName=role.upper(), AssumeRolePolicyDocument=TRUST))
    assert found == ("EntityAlreadyExists", 409, f"Role with name {role.upper()} already exists.")


def test_role_is_found_in_any_case(iam: Any, role: str) -> None:
    other = role.lower()
    assert iam.get_role(RoleName=other)["Role"]["RoleName"] == role
    document = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    iam.put_role_policy(RoleName=other, PolicyName="p", PolicyDocument=document)
    assert iam.get_role_policy(RoleName=role, PolicyName="p")["PolicyDocument"] == json.loads(document)
    iam.tag_role(RoleName=other, Tags=[{"Key": "team", "Value": "shop"}])
    assert iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "team", "Value": "shop"}]
    iam.delete_role_policy(RoleName=other, PolicyName="p")
    iam.delete_role(RoleName=other)
    assert refusal(lambda: iam.get_role(RoleName=role))[:2] == ("NoSuchEntity", 404)


@pytest.mark.parametrize(
    ("document", "expected", "words"),
    [
        ("{nope", ("MalformedPolicyDocument", 400), "This policy contains invalid Json"),
        ("{}", ("MalformedPolicyDocument", 400), ""),
        (TRUST.replace("sts:AssumeRole", "s3:GetObject"), ("MalformedPolicyDocument", 400), ""),
        (TRUST.replace("lambda", "λ"), ("ValidationError", 400), "assumeRolePolicyDocument"),
        (TRUST.replace("lambda", "l" * 2048), ("LimitExceeded", 409), "Cannot exceed quota for ACLSizePerRole: 2048"),
    ],
)
def test_invalid_trust_policy_is_rejected(
    iam: Any, role: str, document: str, expected: tuple[str, int], words: str
) -> None:
    calls: tuple[Callable[[], Any], ...] = (
        lambda: iam.create_role(RoleName="refused", AssumeRolePolicyDocument=document),
        lambda: iam.update_assume_role_policy(RoleName=role, PolicyDocument=document),
    )
    for call in calls:
        found = refusal(call)
        assert found[:2] == expected
        assert words in found[2]
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == json.loads(TRUST)


def test_inline_policies_share_one_limit(iam: Any, role: str) -> None:
    iam.put_role_policy(RoleName=role, PolicyName="one", PolicyDocument=long_policy(6000))
    iam.put_role_policy(RoleName=role, PolicyName="two", PolicyDocument=long_policy(4240))
    found = refusal(lambda: iam.put_role_policy(RoleName=role, PolicyName="two", PolicyDocument=long_policy(4241)))
    assert found == ("LimitExceeded", 409, f"Maximum policy size of 10240 bytes exceeded for role {role}")
    # White space does not count, and a replaced policy frees its size.
    spacious = json.dumps(json.loads(long_policy(4240)), indent=8)
    iam.put_role_policy(RoleName=role, PolicyName="two", PolicyDocument=spacious)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PolicyName": "a b"}, "ValidationError"),
        ({"PolicyDocument": "{nope"}, "MalformedPolicyDocument"),
        ({"RoleName": "none"}, "NoSuchEntity"),
    ],
)
def test_invalid_inline_policy_is_rejected(iam: Any, role: str, change: dict[str, str], code: str) -> None:
    document = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    wanted = {"RoleName": role, "PolicyName": "p", "PolicyDocument": document, **change}
    assert refusal(lambda: iam.put_role_policy(**wanted))[0] == code


def test_policies_contain_only_latin_1_characters(iam: Any, role: str) -> None:
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::λ"}]}'
    found = refusal(lambda: iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document))
    assert found[:2] == ("ValidationError", 400)


def test_role_has_at_most_fifty_tags(iam: Any, role: str) -> None:
    tags = [{"Key": f"key-{number}", "Value": ""} for number in range(50)]
    iam.tag_role(RoleName=role, Tags=tags)
    iam.tag_role(RoleName=role, Tags=[{"Key": "key-0", "Value": "again"}])
    found = refusal(lambda: iam.tag_role(RoleName=role, Tags=[{"Key": "more", "Value": ""}]))
    assert found[:2] == ("LimitExceeded", 409)


def test_managed_policies_are_attached_by_arn(iam: Any, role: str) -> None:
    found = refusal(lambda: iam.attach_role_policy(RoleName=role, PolicyArn="policy-that-is-no-arn"))
    assert found[:2] == ("ValidationError", 400)
    found = refusal(lambda: iam.attach_role_policy(RoleName=role, PolicyArn="arn:aws:iam::123456789012:policy/none"))
    assert found[:2] == ("NoSuchEntity", 404)
    assert found[2].endswith("does not exist or is not attachable.")


def test_role_with_policies_cannot_be_deleted(iam: Any, role: str) -> None:
    document = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document)
    assert refusal(lambda: iam.delete_role(RoleName=role))[:2] == ("DeleteConflict", 409)


@pytest.mark.parametrize("operation", ["get_role", "delete_role", "list_role_policies", "list_attached_role_policies"])
def test_missing_role_is_named(iam: Any, operation: str) -> None:
    found = refusal(lambda: getattr(iam, operation)(RoleName="none"))
    assert found == ("NoSuchEntity", 404, "The role with name none cannot be found.")


def test_unsupported_call_returns_not_emulated(iam: Any, role: str) -> None:
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    call = iam.simulate_principal_policy
    assert refusal(lambda: call(PolicySourceArn=arn, ActionNames=["s3:GetObject"]))[0] == "NotEmulated"

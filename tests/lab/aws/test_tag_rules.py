"""Tags that AWS rejects are rejected, with the text of each service."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import Bench, trust

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.tag_rules import check_list, check_map

SOURCE = "def handle(event, context):\n    return 1\n"
PATTERN = r"Member must satisfy regular expression pattern: "
_numbers = itertools.count(1)

Aws = Callable[[str], Any]


def new_parameter(aws: Aws, name: str, key: str, value: str) -> None:
    aws("ssm").put_parameter(Name=f"/{name}", Value="x", Type="String", Tags=[{"Key": key, "Value": value}])


def present_parameter(aws: Aws, name: str, key: str, value: str) -> None:
    aws("ssm").put_parameter(Name=f"/{name}", Value="x", Type="String")
    resource = {"ResourceType": "Parameter", "ResourceId": f"/{name}"}
    aws("ssm").add_tags_to_resource(**resource, Tags=[{"Key": key, "Value": value}])


def new_role(aws: Aws, name: str, key: str, value: str) -> None:
    document = trust("lambda")
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document, Tags=[{"Key": key, "Value": value}])


def present_role(aws: Aws, name: str, key: str, value: str) -> None:
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda"))
    aws("iam").tag_role(RoleName=name, Tags=[{"Key": key, "Value": value}])


def new_function(aws: Aws, name: str, key: str, value: str) -> None:
    Bench(aws).function(SOURCE, FunctionName=name, Tags={key: value})


def present_function(aws: Aws, name: str, key: str, value: str) -> None:
    found = aws("lambda").get_function(FunctionName=Bench(aws).function(SOURCE, FunctionName=name))
    aws("lambda").tag_resource(Resource=found["Configuration"]["FunctionArn"], Tags={key: value})


def new_log_group(aws: Aws, name: str, key: str, value: str) -> None:
    aws("logs").create_log_group(logGroupName=name, tags={key: value})


def present_log_group(aws: Aws, name: str, key: str, value: str) -> None:
    aws("logs").create_log_group(logGroupName=name)
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{name}"
    aws("logs").tag_resource(resourceArn=arn, tags={key: value})


SERVICES = [
    (new_parameter, "ValidationException", "'a,b;c&' at 'tags.1.member.value'"),
    (present_parameter, "ValidationException", "'a,b;c&' at 'tags.1.member.value'"),
    (new_role, "ValidationError", "'a,b;c&' at 'tags.1.member.value'"),
    (present_role, "ValidationError", "'a,b;c&' at 'tags.1.member.value'"),
    (new_function, "ValidationException", "'{note=a,b;c&}' at 'tags'"),
    (present_function, "ValidationException", "'{note=a,b;c&}' at 'tags'"),
    (new_log_group, "InvalidParameterException", "'{note=a,b;c&}' at 'tags'"),
    (present_log_group, "InvalidParameterException", "'{note=a,b;c&}' at 'tags'"),
]


@pytest.mark.lab
@pytest.mark.parametrize(("tag", "code", "value"), SERVICES)
def test_characters_that_aws_allows_in_no_tag_are_rejected(
    aws: Aws, tag: Callable[..., None], code: str, value: str
) -> None:
    with pytest.raises(ClientError) as caught:
        tag(aws, f"refused-{next(_numbers)}", "note", "a,b;c&")
    error: Any = caught.value.response["Error"]
    assert error["Code"] == code
    assert f"1 validation error detected: Value {value} failed to satisfy constraint: " in error["Message"]
    assert PATTERN in error["Message"]


@pytest.mark.lab
@pytest.mark.parametrize("tag", [case[0] for case in SERVICES])
def test_letters_digits_and_spaces_of_all_scripts_are_accepted(aws: Aws, tag: Callable[..., None]) -> None:
    tag(aws, f"taken-{next(_numbers)}", "Straße ½ 店", "_.:/=+-@\u00a0é")


REFUSED = [
    ("note", "a\nb", "value", PATTERN),
    ("note", "a\tb", "value", PATTERN),
    ("a,b", "x", "key", PATTERN),
    ("note", "x" * 257, "value", "Member must have length less than or equal to 256"),
    ("k" * 129, "x", "key", "Member must have length less than or equal to 128"),
]


@pytest.mark.parametrize(("key", "value", "member", "constraint"), REFUSED)
def test_invalid_tag_is_named(key: str, value: str, member: str, constraint: str) -> None:
    with pytest.raises(AwsError, match=rf"'tags\.2\.member\.{member}' failed to satisfy constraint: {constraint}"):
        check_list([{"Key": "fine", "Value": ""}, {"Key": key, "Value": value}], "ValidationException")
    with pytest.raises(AwsError, match=rf"'tags' failed to satisfy constraint: Map {member}.*{constraint}"):
        check_map({"fine": "", key: value}, "ValidationException")


def test_all_invalid_tags_are_reported_together() -> None:
    with pytest.raises(AwsError, match=r"^2 validation errors detected: .*member\.key.*; .*member\.value"):
        check_list([{"Key": "a,", "Value": "b,"}], "ValidationException")


def test_tag_of_the_maximum_length_is_accepted() -> None:
    check_map({"k" * 128: "v" * 256}, "ValidationException")

"""What Parameter Store rejects: the code and text of AWS, and nothing is stored."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.lab

Request = Mapping[str, Any]

INVALID = "ValidationException"
SUBPATHS = "sub-paths divided by slash symbol"
RESERVED = 'can\'t be prefixed with "aws" or "ssm" (case-insensitive)'
TOKEN_ERROR = "token isn't valid"
# AWS counts the ARN prefix, 45 characters, towards the limit of 1011 for a name.
LONGEST = 1011 - 45


@dataclass(frozen=True)
class Refusal:
    """One row: a request and AWS's error. TOKEN, DISABLED and PENDING are placeholders for values that a test creates."""

    title: str
    code: str
    message: str
    request: Request
    operation: str = "put_parameter"
    given: Request = field(default_factory=dict)
    """What there is before; nothing if empty."""


def put(title: str, code: str, message: str, given: Request | None = None, **request: Any) -> Refusal:
    """A row about PutParameter; omitted fields are valid defaults, and None removes one."""
    known = write(**given) if given is not None else {}
    return Refusal(title, code, message, write(**request), given=known)


def call(operation: str, title: str, code: str, message: str, **request: Any) -> Refusal:
    """A row about another operation, on a parameter that exists."""
    return Refusal(f"{operation}: {title}", code, message, request, operation, write())


def write(**request: Any) -> dict[str, Any]:
    whole = {"Name": "/TOKEN/colour", "Value": "red", "Type": "String", **request}
    return {key: value for key, value in whole.items() if value is not None}


def tags(count: int) -> list[dict[str, str]]:
    return [{"Key": f"key-{number}", "Value": "x"} for number in range(count)]


def policies(kind: str, timestamp: str = "2099-01-01T00:00:00.000Z") -> str:
    return json.dumps([{"Type": kind, "Version": "1.0", "Attributes": {"Timestamp": timestamp}}])


def names(count: int) -> list[str]:
    return [f"/TOKEN/{number}" for number in range(count)]


DIGITS: dict[str, Any] = {"Value": "12", "AllowedPattern": "^[0-9]+$"}
ADVANCED: dict[str, Any] = {"Tier": "Advanced"}
SECURE: dict[str, Any] = {"Type": "SecureString"}
NEWER: dict[str, Any] = {"Overwrite": True}
MISMATCH = "ParameterPatternMismatchException"
TOO_DEEP = "HierarchyLevelLimitExceededException"
BAD_POLICY = "InvalidPolicyTypeException"
DOWNGRADE = "You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier"

REFUSALS = (
    # names
    put("an illegal character", INVALID, SUBPATHS, Name="/TOKEN/colour$"),
    put("a letter with an accent", INVALID, SUBPATHS, Name="/TOKEN/é"),
    put("a colon", INVALID, SUBPATHS, Name="/TOKEN/colour:1"),
    put("a space inside", INVALID, SUBPATHS, Name="/TOKEN/my colour"),
    put("levels without a leading slash", INVALID, "must be a fully qualified name", Name="TOKEN/colour"),
    put("a doubled slash", INVALID, SUBPATHS, Name="/TOKEN//colour"),
    put("a trailing slash", INVALID, SUBPATHS, Name="/TOKEN/colour/"),
    put("nothing but a slash", INVALID, SUBPATHS, Name="/"),
    put("16 levels", TOO_DEEP, "maximum number of 15 levels", Name="/TOKEN" + "/x" * 15),
    put("17 levels", TOO_DEEP, "maximum number of 15 levels", Name="/TOKEN" + "/x" * 16),
    put("1012 characters with the ARN", INVALID, "longer than 1011", Name="/TOKEN/".ljust(LONGEST + 1, "x")),
    put("2000 characters", INVALID, "longer than 1011", Name="/TOKEN/".ljust(2000, "x")),
    put("below /aws", "AccessDeniedException", "No access to reserved parameter name", Name="/aws/TOKEN"),
    put("below /AWS", "AccessDeniedException", "No access to reserved parameter name", Name="/AWS/TOKEN"),
    put("below /ssm", INVALID, 'can\'t be prefixed with "ssm"', Name="/ssm/TOKEN"),
    put("below /Ssm", INVALID, 'can\'t be prefixed with "ssm"', Name="/Ssm/TOKEN"),
    *(
        put(f"the prefix {prefix}", INVALID, RESERVED, Name=f"{prefix}-TOKEN")
        for prefix in ("aws", "AwS", "/aws", "ssm", "SSM", "/ssm")
    ),
    # values
    put("an empty value", INVALID, "length greater than or equal to 1", Value=""),
    put("4097 bytes, Standard", INVALID, "maximum parameter value of 4096", Value="x" * 4097),
    put("4097 bytes in 2049 characters", INVALID, "maximum parameter value of 4096", Value="é" * 2048 + "x"),
    put("8193 bytes, Advanced", INVALID, "maximum parameter value of 8192", Value="x" * 8193, **ADVANCED),
    put("8193 bytes, any tier", INVALID, "value of 8192", Value="x" * 8193, Tier="Intelligent-Tiering"),
    put("braces", INVALID, "can't nest another parameter", Value="{{}}"),
    put("a nested parameter", INVALID, "can't nest another parameter", Value="a {{ssm:/x}} b"),
    put("an empty item of a list", INVALID, "StringList", Value="a,,b", Type="StringList"),
    # patterns
    put("an invalid pattern", "InvalidAllowedPatternException", "", AllowedPattern="["),
    put("a value unlike its pattern", MISMATCH, "^[0-9]+$", AllowedPattern="^[0-9]+$"),
    put("a later value unlike the stored pattern", MISMATCH, "^[0-9]+$", given=DIGITS, **NEWER),
    # policies
    put("policies on Standard", INVALID, "only supported for advanced", Policies=policies("Expiration")),
    put("policies that are not JSON", BAD_POLICY, "", Policies="{nope", **ADVANCED),
    put("policies that are no list", BAD_POLICY, "", Policies="{}", **ADVANCED),
    put("an empty list of policies", "NotEmulated", "No source states", Policies="[]", **ADVANCED),
    put("policies that are a list of texts", BAD_POLICY, "", Policies='["Expiration"]', **ADVANCED),
    put("an unknown policy", BAD_POLICY, "type isn't supported", Policies=policies("Nope"), **ADVANCED),
    put(
        "a policy that has expired",
        "InvalidPolicyAttributeException",
        "",
        Policies=policies("Expiration", "2001-01-01T00:00:00.000Z"),
        **ADVANCED,
    ),
    # keys
    put("a key for a String", INVALID, "only supported for SecureString", KeyId="alias/aws/ssm"),
    put("a key for what becomes a String", INVALID, "SecureString", given=SECURE, KeyId="alias/aws/ssm", **NEWER),
    put("an unknown key", "InvalidKeyId", "no-such-key", KeyId="no-such-key", **SECURE),
    put("an unknown alias", "InvalidKeyId", "alias/no-such", KeyId="alias/no-such", **SECURE),
    put("a disabled key", "InvalidKeyId", "DISABLED", KeyId="DISABLED", **SECURE),
    put("a key about to be deleted", "InvalidKeyId", "PENDING", KeyId="PENDING", **SECURE),
    # existing parameters
    put("a name that exists", "ParameterAlreadyExists", "already exists", given={}),
    put("Advanced to Standard", INVALID, DOWNGRADE, given=ADVANCED, Tier="Standard", **NEWER),
    put(
        "Advanced to Standard, once without slash",
        INVALID,
        DOWNGRADE,
        given={"Name": "TOKEN", **ADVANCED},
        Name="/TOKEN",
        Tier="Standard",
        **NEWER,
    ),
    put("no type at creation", INVALID, "type is required", Type=None),
    put("no type at creation, overwriting", INVALID, "type is required", Type=None, **NEWER),
    put("an unknown data type", INVALID, "data type is not supported: nope", DataType="nope"),
    put("a data type in capitals", INVALID, "data type is not supported: TEXT", DataType="TEXT"),
    put(
        "another data type", INVALID, "can't be changed: it is text", given={}, DataType="aws:ssm:integration", **NEWER
    ),
    put("1025 characters of description", INVALID, "at 'description' failed", Description="x" * 1025),
    # tags
    put("overwriting with tags", INVALID, "tags and overwrite can't be used together", Tags=tags(1), **NEWER),
    put("51 tags", "TooManyTagsError", "", Tags=tags(51)),
    put("a tag of aws:", INVALID, "aws: prefixed tag key", Tags=[{"Key": "aws:x", "Value": "x"}]),
    put("a tag of AWS:", INVALID, "aws: prefixed tag key", Tags=[{"Key": "AWS:x", "Value": "x"}]),
    *(
        call("add_tags_to_resource", title, code, message, ResourceType="Parameter", ResourceId=name, Tags=added)
        for title, name, added, code, message in (
            ("51 tags", "/TOKEN/colour", tags(51), "TooManyTagsError", ""),
            ("a tag of aws:", "/TOKEN/colour", [{"Key": "aws:x", "Value": "x"}], INVALID, "aws: prefixed"),
            ("none such", "/TOKEN/none", tags(1), "InvalidResourceId", ""),
        )
    ),
    # reads and deletions
    call("get_parameter", "no leading slash", INVALID, SUBPATHS, Name="TOKEN/colour"),
    call("get_parameter", "a doubled slash", INVALID, SUBPATHS, Name="/TOKEN//colour"),
    call("get_parameter", "none such", "ParameterNotFound", "", Name="/TOKEN/none"),
    call("get_parameter", "no such version", "ParameterVersionNotFound", "version 9", Name="/TOKEN/colour:9"),
    call("get_parameter", "no such label", "ParameterVersionNotFound", "good", Name="/TOKEN/colour:good"),
    call("get_parameters", "11 names", INVALID, "length less than or equal to 10", Names=names(11)),
    call("get_parameters", "a doubled slash", INVALID, SUBPATHS, Names=["/TOKEN//colour"]),
    call("get_parameters_by_path", "no leading slash", INVALID, "begin with a forward slash", Path="TOKEN"),
    call("get_parameters_by_path", "pages of 11", INVALID, "less than or equal to 10", Path="/", MaxResults=11),
    call("get_parameters_by_path", "unknown token", "InvalidNextToken", TOKEN_ERROR, Path="/", NextToken="nope"),
    call("describe_parameters", "pages of 51", INVALID, "less than or equal to 50", MaxResults=51),
    call("describe_parameters", "unknown token", "InvalidNextToken", TOKEN_ERROR, NextToken="nope"),
    call(
        "describe_parameters",
        "unknown filter",
        "InvalidFilterKey",
        "Nope",
        ParameterFilters=[{"Key": "Nope", "Values": ["x"]}],
    ),
    call("get_parameter_history", "none such", "ParameterNotFound", "", Name="/TOKEN/none"),
    call("get_parameter_history", "pages of 51", INVALID, "equal to 50", Name="/TOKEN/colour", MaxResults=51),
    call(
        "get_parameter_history",
        "unknown token",
        "InvalidNextToken",
        TOKEN_ERROR,
        Name="/TOKEN/colour",
        NextToken="nope",
    ),
    call("label_parameter_version", "none such", "ParameterNotFound", "", Name="/TOKEN/none", Labels=["good"]),
    call(
        "label_parameter_version",
        "no such version",
        "ParameterVersionNotFound",
        "",
        Name="/TOKEN/colour",
        ParameterVersion=9,
        Labels=["good"],
    ),
    call("delete_parameter", "none such", "ParameterNotFound", "", Name="/TOKEN/none"),
    call("delete_parameters", "11 names", INVALID, "length less than or equal to 10", Names=names(11)),
)

TAKEN = (
    ("15 levels", {"Name": "/TOKEN" + "/x" * 14}),
    ("1011 characters with the ARN", {"Name": "/TOKEN/".ljust(LONGEST, "x")}),
    ("each character that there is", {"Name": "/TOKEN/aZ09._-"}),
    ("reserved words further down", {"Name": "/TOKEN/aws/ssm"}),
    ("4096 bytes", {"Value": "x" * 4096}),
    ("8192 bytes, Advanced", {"Value": "x" * 8192, **ADVANCED}),
    ("single braces", {"Value": '{"a": {"b": 1}}'}),
    ("a value like its pattern", DIGITS),
    ("policies on Advanced", {"Policies": policies("Expiration"), **ADVANCED}),
    ("no policies on Standard", {"Policies": "[{}]"}),
    ("the key of the account", {"KeyId": "alias/aws/ssm", **SECURE}),
    ("an integration", {"DataType": "aws:ssm:integration"}),
    ("50 tags", {"Tags": tags(50)}),
    ("1024 characters of description", {"Description": "x" * 1024}),
)


@pytest.fixture(scope="module")
def keys(aws: Callable[[str], Any]) -> dict[str, str]:
    """Unusable keys, by their placeholder in the table."""
    kms = aws("kms")
    disabled, pending = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.disable_key(KeyId=disabled)
    kms.schedule_key_deletion(KeyId=pending)
    return {"DISABLED": disabled, "PENDING": pending}


def filled(request: Request, path: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """The request, with the created values."""
    text = json.dumps(request)
    for placeholder, actual in {"TOKEN": path[1:], **keys}.items():
        text = text.replace(placeholder, actual)
    found: dict[str, Any] = json.loads(text)
    return found


def stored(ssm: Any, path: str) -> list[tuple[object, ...]]:
    """All state of this test's parameters: their metadata with versions, and their tags."""
    filters = [{"Key": "Name", "Option": "Contains", "Values": [path[1:]]}]
    pages = ssm.get_paginator("describe_parameters").paginate(ParameterFilters=filters)
    found = [item for page in pages for item in page["Parameters"]]
    return [
        (item, ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=item["Name"])["TagList"])
        for item in found
    ]


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.title)
def test_invalid_request_is_rejected_with_the_text_of_aws_and_not_stored(
    row: Refusal, ssm: Any, path: str, keys: dict[str, str]
) -> None:
    if row.given:
        ssm.put_parameter(**filled(row.given, path, keys))
    before = stored(ssm, path)
    with pytest.raises(ClientError) as refused:
        getattr(ssm, row.operation)(**filled(row.request, path, keys))
    error = refused.value.response["Error"]
    assert error["Code"] == row.code
    assert keys.get(row.message, row.message) in error["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert stored(ssm, path) == before


@pytest.mark.parametrize(("title", "request_"), TAKEN, ids=[title for title, _ in TAKEN])
def test_values_at_the_limits_are_accepted(
    title: str, request_: Request, ssm: Any, path: str, keys: dict[str, str]
) -> None:
    request = filled(write(**request_), path, keys)
    assert ssm.put_parameter(**request)["Version"] == 1
    found = ssm.get_parameter(Name=request["Name"], WithDecryption=True)["Parameter"]
    assert (found["Name"], found["Value"]) == (request["Name"], request["Value"])


def test_tag_51_is_rejected_when_it_is_added_later(ssm: Any, path: str) -> None:
    ssm.put_parameter(Name=f"{path}/colour", Value="red", Type="String", Tags=tags(50))
    resource = {"ResourceType": "Parameter", "ResourceId": f"{path}/colour"}
    ssm.add_tags_to_resource(**resource, Tags=[{"Key": "key-1", "Value": "changed"}])
    with pytest.raises(ClientError, match="TooManyTagsError"):
        ssm.add_tags_to_resource(**resource, Tags=[{"Key": "one-more", "Value": "x"}])
    assert len(ssm.list_tags_for_resource(**resource)["TagList"]) == 50

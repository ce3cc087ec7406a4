"""Lists of parameters: AWS's page sizes, filters, and the tagging index."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError

from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.server import RemoteLab

pytestmark = pytest.mark.lab

COUNT = 60
EVEN, ODD = {"Key": "parity", "Value": "even"}, {"Key": "parity", "Value": "odd"}


def put(ssm: Any, name: str, value: str = "red", **more: Any) -> None:
    ssm.put_parameter(**{"Name": name, "Value": value, "Type": "String", **more})


@pytest.fixture(scope="module")
def many(ssm: Any) -> list[str]:
    """Sixty parameters, alternately tagged even and odd, and all their names."""
    names = [f"/many/{number:02d}" for number in range(COUNT)]
    for number, name in enumerate(names):
        put(ssm, name, Tags=[ODD if number % 2 else EVEN, {"Key": f"number-{number}", "Value": "x"}])
    return names


def below(path: str, option: str = "Recursive") -> list[dict[str, Any]]:
    return [{"Key": "Path", "Option": option, "Values": [path]}]


# --- DescribeParameters


def test_page_of_describe_parameters_has_50(ssm: Any, many: list[str]) -> None:
    first = ssm.describe_parameters(ParameterFilters=below("/many"))
    second = ssm.describe_parameters(ParameterFilters=below("/many"), NextToken=first["NextToken"])
    assert (len(first["Parameters"]), len(second["Parameters"])) == (50, 10)
    assert "NextToken" not in second


@pytest.mark.parametrize("size", [7, 50])
def test_pages_of_any_size_contain_each_parameter_once(ssm: Any, many: list[str], size: int) -> None:
    pages = list(
        ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=below("/many"), PaginationConfig={"PageSize": size}
        )
    )
    assert max(len(page["Parameters"]) for page in pages) == size
    assert sorted(item["Name"] for page in pages for item in page["Parameters"]) == many


def test_metadata_is_complete_and_contains_no_value(ssm: Any, path: str) -> None:
    put(ssm, f"{path}/colour", "a-very-red-red", Description="the colour", AllowedPattern="red", Tier="Advanced")
    (found,) = ssm.describe_parameters(ParameterFilters=below(path))["Parameters"]
    assert found.pop("LastModifiedDate").tzinfo
    assert found.pop("LastModifiedUser").startswith("arn:aws:")
    assert found == {
        "Name": f"{path}/colour",
        "ARN": f"arn:aws:ssm:eu-west-1:123456789012:parameter{path}/colour",
        "Type": "String",
        "Description": "the colour",
        "AllowedPattern": "red",
        "Version": 1,
        "Tier": "Advanced",
        "Policies": [],
        "DataType": "text",
    }


FILTERS: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"Key": "Name", "Values": ["PATH/a"]}, ["a"]),
    ({"Key": "Name", "Option": "Equals", "Values": ["PATH/a", "PATH/b", "PATH/none"]}, ["a", "b"]),
    ({"Key": "Name", "Option": "BeginsWith", "Values": ["PATH/d"]}, ["deep/e", "deep/er/f"]),
    ({"Key": "Name", "Option": "Contains", "Values": ["er/"]}, ["deep/er/f"]),
    ({"Key": "Path", "Option": "OneLevel", "Values": ["PATH"]}, ["a", "b", "c"]),
    ({"Key": "Path", "Values": ["PATH/deep"]}, ["deep/e"]),
    ({"Key": "Path", "Option": "Recursive", "Values": ["PATH/deep"]}, ["deep/e", "deep/er/f"]),
    ({"Key": "Path", "Option": "Recursive", "Values": ["PATH/dee"]}, []),
    ({"Key": "Type", "Values": ["SecureString"]}, ["b"]),
    ({"Key": "Type", "Values": ["StringList", "SecureString"]}, ["b", "c"]),
    ({"Key": "KeyId", "Values": ["alias/aws/ssm"]}, ["b"]),
    ({"Key": "Tier", "Values": ["Advanced"]}, ["a"]),
    ({"Key": "DataType", "Values": ["aws:ssm:integration"]}, ["deep/e"]),
    ({"Key": "tag:team", "Values": ["x"]}, ["a"]),
    ({"Key": "tag:team", "Values": ["x", "y"]}, ["a", "c"]),
    ({"Key": "tag:team"}, ["a", "c"]),
    ({"Key": "tag:Team"}, []),
)


@pytest.mark.parametrize(("condition", "expected"), FILTERS, ids=[str(condition) for condition, _ in FILTERS])
def test_describe_parameters_filters(ssm: Any, path: str, condition: dict[str, Any], expected: list[str]) -> None:
    put(ssm, f"{path}/a", Tier="Advanced", Tags=[{"Key": "team", "Value": "x"}])
    put(ssm, f"{path}/b", Type="SecureString")
    put(ssm, f"{path}/c", "x,y", Type="StringList", Tags=[{"Key": "team", "Value": "y"}])
    put(ssm, f"{path}/deep/e", DataType="aws:ssm:integration")
    put(ssm, f"{path}/deep/er/f")
    values = [value.replace("PATH", path) for value in condition.get("Values", [])]
    filters = [{**condition, **({"Values": values} if values else {})}, *below(path)]
    found = ssm.describe_parameters(ParameterFilters=filters)["Parameters"]
    assert [item["Name"].removeprefix(f"{path}/") for item in found] == expected


# --- reads of several


def test_get_parameters_returns_alphabetical_order(ssm: Any, path: str) -> None:
    for name in "bacfdegh":
        put(ssm, f"{path}/{name}")
    answer = ssm.get_parameters(Names=[f"{path}/{name}" for name in ("c", "none", *"abhgfde")])
    assert [item["Name"] for item in answer["Parameters"]] == [f"{path}/{name}" for name in "abcdefgh"]
    assert answer["InvalidParameters"] == [f"{path}/none"]


def test_get_parameters_by_path_pages_by_ten(ssm: Any, many: list[str]) -> None:
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path="/many"))
    assert max(len(page["Parameters"]) for page in pages) == 10
    assert sorted(item["Name"] for page in pages for item in page["Parameters"]) == many


@pytest.mark.parametrize(("recursive", "expected"), [(False, ["a"]), (True, ["a", "deep/b"])])
def test_path_is_read_one_level_deep_or_recursively(ssm: Any, path: str, recursive: bool, expected: list[str]) -> None:
    for name in (f"{path}/a", f"{path}/deep/b", f"{path}x/c"):
        put(ssm, name)
    found = ssm.get_parameters_by_path(Path=path, Recursive=recursive)["Parameters"]
    assert [item["Name"].removeprefix(f"{path}/") for item in found] == expected


# --- GetResources


def resources(aws: Any, **request: Any) -> list[dict[str, Any]]:
    pages = (
        aws("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(ResourceTypeFilters=["ssm:parameter"], **request)
    )
    return [item for page in pages for item in page["ResourceTagMappingList"]]


@pytest.mark.parametrize("size", [7, 100])
def test_tagging_index_is_paged(aws: Any, many: list[str], size: int) -> None:
    found = resources(aws, TagFilters=[{"Key": "parity"}], ResourcesPerPage=size)
    names = [item["ResourceARN"].removeprefix("arn:aws:ssm:eu-west-1:123456789012:parameter") for item in found]
    assert sorted(names) == many


def test_last_page_of_the_tagging_index_has_an_empty_token(aws: Any, many: list[str]) -> None:
    request = {"ResourceTypeFilters": ["ssm:parameter"], "TagFilters": [{"Key": "parity"}]}
    first = aws("resourcegroupstaggingapi").get_resources(**request)
    assert len(first["ResourceTagMappingList"]) == 50
    last = aws("resourcegroupstaggingapi").get_resources(**request, PaginationToken=first["PaginationToken"])
    assert (len(last["ResourceTagMappingList"]), last["PaginationToken"]) == (10, "")


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ([{"Key": "parity", "Values": ["even"]}], COUNT // 2),
        ([{"Key": "parity", "Values": ["even", "odd"]}], COUNT),
        ([{"Key": "parity", "Values": ["Even"]}], 0),
        ([{"Key": "parity", "Values": ["even"]}, {"Key": "number-4"}], 1),
        ([{"Key": "parity", "Values": ["odd"]}, {"Key": "number-4"}], 0),
    ],
    ids=str,
)
def test_tagging_index_filters_by_key_and_value(
    aws: Any, many: list[str], filters: list[dict[str, Any]], count: int
) -> None:
    assert len(resources(aws, TagFilters=filters)) == count


def test_tagging_index_returns_all_current_tags(ssm: Any, aws: Any, path: str) -> None:
    put(ssm, f"{path}/colour", Tags=[{"Key": path[1:], "Value": "x"}, {"Key": "team", "Value": "a"}])
    (found,) = resources(aws, TagFilters=[{"Key": path[1:]}])
    assert found["Tags"] == [{"Key": path[1:], "Value": "x"}, {"Key": "team", "Value": "a"}]
    ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=f"{path}/colour", TagKeys=[path[1:]])
    assert resources(aws, TagFilters=[{"Key": path[1:]}]) == []


def test_deleted_parameter_is_not_in_the_tagging_index(ssm: Any, aws: Any, path: str) -> None:
    put(ssm, f"{path}/colour", Tags=[{"Key": path[1:], "Value": "x"}])
    ssm.delete_parameters(Names=[f"{path}/colour"])
    assert resources(aws, TagFilters=[{"Key": path[1:]}]) == []


def test_unknown_token_of_the_tagging_index_is_rejected(aws: Any) -> None:
    with pytest.raises(ClientError, match="PaginationTokenExpiredException"):
        resources(aws, PaginationConfig={"StartingToken": "nope"})


@pytest.mark.parametrize(
    "ask",
    [
        lambda ssm: ssm.get_parameter_history(Name="/never/made"),
        lambda ssm: ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/never/made"),
        lambda ssm: ssm.label_parameter_version(Name="/never/made", Labels=["x"]),
        lambda ssm: ssm.get_parameter(Name="/never/made:1"),
    ],
)
def test_index_of_other_resources_ignores_a_name_that_was_read(aws: Any, ssm: Any, ask: Callable[[Any], Any]) -> None:
    with pytest.raises(ClientError):
        ask(ssm)
    found = aws("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["cloudwatch:alarm"])
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 200


# --- parameters that are created at once


def test_parameter_of_a_filled_account_equals_one_that_was_put(lab: AwsLab, ssm: Any, path: str) -> None:
    tags = [{"Key": "team", "Value": "shop"}]
    put(ssm, f"{path}/put", Tags=tags)
    item = {"Name": f"{path}/filled", "Value": "red", "Type": "String", "Tags": tags}
    calls = lab.calls()
    RemoteLab(lab.control_url).fill(ssm.meta.region_name, [item], 1_700_000_000.0)
    assert lab.calls() == calls
    assert everything(ssm, f"{path}/filled") == everything(ssm, f"{path}/put")
    read = ssm.get_parameter(Name=f"{path}/filled")["Parameter"]
    assert read["LastModifiedDate"].timestamp() == 1_700_000_000


def everything(ssm: Any, name: str) -> list[Any]:
    """All that reads return of a parameter, without its name and date."""
    read = ssm.get_parameter(Name=name)["Parameter"]
    (described,) = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    (version,) = ssm.get_parameter_history(Name=name)["Parameters"]
    own = ("Name", "ARN", "LastModifiedDate")
    return [tags, *({key: item[key] for key in item if key not in own} for item in (read, described, version))]


def test_invalid_parameters_to_fill_in_are_rejected(lab: AwsLab, http: httpx2.Client) -> None:
    for document in ({}, {"region": "eu-west-1", "modified": 1, "parameters": [{"Name": "/a"}]}):
        assert http.post(f"{lab.control_url}/parameters", json=document).status_code == 400

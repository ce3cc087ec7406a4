"""How Parameter Store responds: names as requested, tiers, versions, deletion and concurrent writers."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.ssm import ParameterStore

pytestmark = pytest.mark.lab

ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter"
EXPIRATION = json.dumps(
    [{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2099-01-01T00:00:00.000Z"}}]
)


def put(ssm: Any, name: str, value: str = "red", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = ssm.put_parameter(**{"Name": name, "Value": value, "Type": "String", **more})
    return found


def metadata(ssm: Any, name: str) -> dict[str, Any]:
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    (found,) = ssm.describe_parameters(ParameterFilters=filters)["Parameters"]
    return dict(found)


def tags(ssm: Any, name: str) -> list[dict[str, str]]:
    return list(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"])


# --- names


# `/x` and `x` are one parameter, and a response uses the form of its request.
forms = pytest.mark.parametrize(
    ("stored", "asked"), [("/", "/"), ("/", ""), ("", "/"), ("", "")], ids=["/x as /x", "/x as x", "x as /x", "x as x"]
)


@forms
def test_get_parameter_returns_the_name_as_requested(ssm: Any, path: str, stored: str, asked: str) -> None:
    put(ssm, stored + path[1:])
    assert ssm.get_parameter(Name=asked + path[1:])["Parameter"]["Name"] == asked + path[1:]


@forms
def test_get_parameters_returns_the_name_as_requested(ssm: Any, path: str, stored: str, asked: str) -> None:
    put(ssm, stored + path[1:])
    (found,) = ssm.get_parameters(Names=[asked + path[1:]])["Parameters"]
    assert found["Name"] == asked + path[1:]


@forms
def test_single_level_name_is_described_in_both_forms(ssm: Any, path: str, stored: str, asked: str) -> None:
    put(ssm, stored + path[1:])
    assert metadata(ssm, asked + path[1:])["Version"] == 1


@forms
def test_single_level_name_is_overwritten_in_both_forms(ssm: Any, path: str, stored: str, asked: str) -> None:
    put(ssm, stored + path[1:], Tier="Advanced")
    written = ssm.put_parameter(Name=asked + path[1:], Value="blue", Overwrite=True)
    assert (written["Version"], written["Tier"]) == (2, "Advanced")


@forms
def test_single_level_name_is_deleted_with_its_tags(ssm: Any, path: str, stored: str, asked: str) -> None:
    put(ssm, stored + path[1:], Tags=[{"Key": "team", "Value": "a"}])
    ssm.delete_parameter(Name=asked + path[1:])
    put(ssm, stored + path[1:])
    assert tags(ssm, stored + path[1:]) == []


def test_spaces_around_a_name_are_removed(ssm: Any, path: str) -> None:
    put(ssm, f"  {path}/colour ")
    assert ssm.get_parameter(Name=f"{path}/colour")["Parameter"]["Name"] == f"{path}/colour"


def test_names_are_case_sensitive(ssm: Any, path: str) -> None:
    put(ssm, f"{path}/colour")
    assert ssm.get_parameters(Names=[f"{path}/Colour"])["InvalidParameters"] == [f"{path}/Colour"]


@pytest.mark.parametrize(("selector", "value"), [("", "blue"), (":1", "red"), (":2", "blue"), (":first", "red")])
@pytest.mark.parametrize("prefix", ["", ARN])
def test_selector_is_applied_and_returned(ssm: Any, path: str, prefix: str, selector: str, value: str) -> None:
    put(ssm, f"{path}/colour")
    put(ssm, f"{path}/colour", "blue", Overwrite=True)
    ssm.label_parameter_version(Name=f"{path}/colour", ParameterVersion=1, Labels=["first"])
    found = ssm.get_parameter(Name=f"{prefix}{path}/colour{selector}")["Parameter"]
    assert (found["Name"], found["Value"], found.get("Selector")) == (f"{path}/colour", value, selector or None)


# --- tiers, types and what an overwrite keeps


@pytest.mark.parametrize(
    ("request_", "tier"),
    [
        ({"Value": "x" * 4096}, "Standard"),
        ({"Value": "x" * 4097}, "Advanced"),
        ({"Policies": EXPIRATION}, "Advanced"),
        ({"Policies": "[{}]"}, "Standard"),
    ],
    ids=["4096 bytes", "4097 bytes", "a policy", "no policy"],
)
def test_intelligent_tiering_is_resolved(ssm: Any, path: str, request_: dict[str, str], tier: str) -> None:
    written = put(ssm, f"{path}/colour", **{"Tier": "Intelligent-Tiering", **request_})
    assert written["Tier"] == metadata(ssm, f"{path}/colour")["Tier"] == tier


@pytest.mark.parametrize("more", [{}, {"Tier": "Intelligent-Tiering"}, {"Tier": "Advanced"}], ids=str)
def test_advanced_parameter_stays_advanced(ssm: Any, path: str, more: dict[str, str]) -> None:
    put(ssm, f"{path}/colour", Tier="Advanced")
    assert put(ssm, f"{path}/colour", "blue", Overwrite=True, **more)["Tier"] == "Advanced"
    assert metadata(ssm, f"{path}/colour")["Tier"] == "Advanced"


def test_overwrite_keeps_omitted_fields(ssm: Any, path: str) -> None:
    kept = {"Description": "the colour", "AllowedPattern": "^[a-z]+$", "Tier": "Advanced", "Policies": EXPIRATION}
    put(ssm, f"{path}/colour", Tags=[{"Key": "team", "Value": "a"}], **kept)
    before = metadata(ssm, f"{path}/colour")
    ssm.put_parameter(Name=f"{path}/colour", Value="blue", Overwrite=True)
    after = metadata(ssm, f"{path}/colour")
    assert {**after, "Version": 1, "LastModifiedDate": None} == {**before, "LastModifiedDate": None}
    assert after["Policies"][0]["PolicyType"] == "Expiration"
    assert tags(ssm, f"{path}/colour") == [{"Key": "team", "Value": "a"}]


def test_overwrite_keeps_an_omitted_data_type(ssm: Any, path: str) -> None:
    put(ssm, f"{path}/colour", DataType="aws:ssm:integration")
    put(ssm, f"{path}/colour", "blue", Overwrite=True)
    assert ssm.get_parameter(Name=f"{path}/colour")["Parameter"]["DataType"] == "aws:ssm:integration"


def test_overwrite_clears_fields_given_as_empty(ssm: Any, path: str) -> None:
    put(ssm, f"{path}/colour", Description="the colour", AllowedPattern="^r", Tier="Advanced", Policies=EXPIRATION)
    put(ssm, f"{path}/colour", "blue", Overwrite=True, Description="", AllowedPattern="", Policies="[{}]")
    found = metadata(ssm, f"{path}/colour")
    assert (found.get("Description"), found.get("AllowedPattern"), found["Policies"]) == (None, None, [])


def test_same_value_again_is_a_new_version(ssm: Any, path: str) -> None:
    assert put(ssm, f"{path}/colour")["Version"] == 1
    assert put(ssm, f"{path}/colour", Overwrite=True)["Version"] == 2


def test_type_changes_in_place(ssm: Any, path: str) -> None:
    name = f"{path}/colour"
    for version, kind in enumerate(("String", "SecureString", "String", "StringList"), 1):
        assert put(ssm, name, f"value-{version}", Type=kind, Overwrite=version > 1)["Version"] == version
        found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        assert (found["Type"], found["Value"]) == (kind, f"value-{version}")
        assert ("KeyId" in metadata(ssm, name)) == (kind == "SecureString")


# --- versions


def test_oldest_of_more_than_100_versions_is_removed_unless_labelled(ssm: Any, path: str) -> None:
    name = f"{path}/colour"
    versions = [put(ssm, name, str(number), Overwrite=True)["Version"] for number in range(100)]
    ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["stable"])
    with pytest.raises(ClientError, match="ParameterMaxVersionLimitExceeded"):
        put(ssm, name, "one too many", Overwrite=True)
    assert ssm.get_parameter(Name=name)["Parameter"]["Version"] == versions[-1] == 100
    ssm.label_parameter_version(Name=name, ParameterVersion=100, Labels=["stable"])
    assert [put(ssm, name, "taken", Overwrite=True)["Version"] for _ in range(2)] == [101, 102]
    assert ssm.get_parameter(Name=f"{name}:stable")["Parameter"]["Version"] == 100
    pages = list(ssm.get_paginator("get_parameter_history").paginate(Name=name))
    assert [len(page["Parameters"]) for page in pages][:2] == [50, 50]
    assert [item["Version"] for page in pages for item in page["Parameters"]] == list(range(3, 103))


def test_history_contains_the_policies_of_each_version(ssm: Any, path: str) -> None:
    put(ssm, f"{path}/colour", Tier="Advanced", Policies=EXPIRATION)
    (version,) = ssm.get_parameter_history(Name=f"{path}/colour")["Parameters"]
    assert [policy["PolicyType"] for policy in version["Policies"]] == ["Expiration"]


# --- deletion


def test_expired_parameter_is_deleted() -> None:
    moment = [time.time()]
    with AwsLab.start(now=lambda: moment[0]) as lab:
        ssm = connect(lab.endpoint, "ssm")
        put(ssm, "/expiring/colour", Tier="Advanced", Policies=EXPIRATION)
        assert put(ssm, "/expiring/size")["Version"] == 1
        moment[0] = datetime(2099, 1, 1, tzinfo=UTC).timestamp()
        found = ssm.get_parameters(Names=["/expiring/colour", "/expiring/size"])
        assert ([item["Name"] for item in found["Parameters"]], found["InvalidParameters"]) == (
            ["/expiring/size"],
            ["/expiring/colour"],
        )


def test_deletion_removes_tags_labels_and_versions(ssm: Any, path: str) -> None:
    name = f"{path}/colour"
    put(ssm, name, Tags=[{"Key": "team", "Value": "a"}])
    put(ssm, name, "blue", Overwrite=True)
    ssm.label_parameter_version(Name=name, Labels=["stable"])
    ssm.delete_parameter(Name=name)
    assert put(ssm, name, "green")["Version"] == 1
    assert tags(ssm, name) == []
    (version,) = ssm.get_parameter_history(Name=name)["Parameters"]
    assert (version["Value"], version["Labels"]) == ("green", [])


@pytest.mark.parametrize("name", ["{path}", "{path}/colour"])
def test_deletion_accepts_an_arn(ssm: Any, path: str, name: str) -> None:
    name = name.format(path=path)
    put(ssm, name)
    ssm.delete_parameter(Name=ARN + name)
    assert ssm.get_parameters(Names=[name])["InvalidParameters"] == [name]


def test_deletion_of_many_reports_missing_names(ssm: Any, path: str) -> None:
    put(ssm, f"{path}/a")
    put(ssm, f"{path}/b")
    answer = ssm.delete_parameters(Names=[f"{path}/a", f"{path}/b", f"{path}/none"])
    assert sorted(answer["DeletedParameters"]) == [f"{path}/a", f"{path}/b"]
    assert answer["InvalidParameters"] == [f"{path}/none"]


# --- concurrent writers

PUT = Call("ssm", "PutParameter", "eu-west-1")


def test_second_writer_of_a_name_is_rejected_during_the_first_write(path: str) -> None:
    store = ParameterStore(lambda: 0.0, lambda: 0.0)
    request = {"Name": f"{path}/colour", "Value": "red", "Type": "String"}
    done = Answer.of({"Version": 1})

    def meanwhile(_request: dict[str, Any]) -> Answer:
        with pytest.raises(AwsError) as refused:
            store.handle(PUT, request, lambda _: done)
        assert refused.value.code == "TooManyUpdates"
        # Other names and other regions are unaffected.
        store.handle(PUT, {**request, "Name": f"{path}/shape"}, lambda _: done)
        store.handle(Call("ssm", "PutParameter", "us-east-1"), request, lambda _: done)
        return done

    assert store.handle(PUT, request, meanwhile).is_success
    assert store.handle(PUT, request, lambda _: done).is_success


def test_each_concurrent_write_is_a_version_or_is_rejected(ssm: Any, path: str) -> None:
    def write(number: int) -> str:
        try:
            return str(put(ssm, f"{path}/colour", str(number), Overwrite=True)["Version"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(8) as threads:
        results = Counter(threads.map(write, range(40)))
    refused = results.pop("TooManyUpdates", 0)
    assert sorted(map(int, results)) == list(range(1, 41 - refused))
    assert set(results.values()) == {1}

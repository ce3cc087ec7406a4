"""`dynconfig render`: the resources in AWS, without calling AWS."""

import json

import pytest
import yaml
from tests.cli import golden
from tests.cli.cli_harness import PASSWORD, CliHarness
from tests.cli.shell import dynconfig
from tests.cli.test_cli import EXAMPLE

OFFLINE = {"AWS_REGION": "eu-west-1"}
ARGUMENTS = ("render", "-f", str(EXAMPLE), "--offline", "--account", "123456789012")


def test_every_resource_is_shown_without_aws_and_without_a_cluster() -> None:
    result = dynconfig(*ARGUMENTS, **OFFLINE)
    assert result.code == 0
    assert PASSWORD not in result.text
    kinds = {resource["kind"] for resource in yaml.safe_load(result.out)["resources"]}
    assert kinds >= {"Parameter", "Role", "LogGroup", "Function", "Rule", "Schedule", "HttpApi", "Permission"}
    golden.check("render", result)


def test_json_output_has_the_same_content() -> None:
    (found,) = json.loads(dynconfig(*ARGUMENTS, "-o", "json", **OFFLINE).out)
    assert found == yaml.safe_load(dynconfig(*ARGUMENTS, **OFFLINE).out)


def test_values_assigned_by_aws_are_marked() -> None:
    assert "execute-api:eu-west-1:123456789012:(assigned by AWS)/*/*" in dynconfig(*ARGUMENTS, **OFFLINE).out


@pytest.mark.lab
def test_only_the_account_is_requested_if_not_given(harness: CliHarness) -> None:
    harness.lab.reset_calls()
    assert harness.dynconfig("render", "-f", str(EXAMPLE)).code == 0
    assert harness.lab.calls() == {"sts.GetCallerIdentity": 1}


def test_value_that_resembles_json_stays_a_string(harness: CliHarness) -> None:
    harness.manifest({"name": "a", "value": '{"b": 1}'})
    (parameter,) = yaml.safe_load(harness.dynconfig("render", "-f", "myapp.yaml").out)["resources"]
    assert parameter["value"] == '{"b": 1}'


def test_invalid_object_is_named() -> None:
    text = EXAMPLE.read_text().replace("path: /myapp/config", "path: myapp")
    result = dynconfig("render", "-f", "-", "--offline", "--account", "123456789012", stdin=text, **OFFLINE)
    assert result.code == 1
    assert result.err.startswith("error: default/myapp: spec.path: ")

"""The terminal: exit codes, one line for a failure, no traceback, no secret."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dynconfig_lab.aws import AwsLab

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "myapp.yaml"
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def lab() -> Iterator[AwsLab]:
    with AwsLab.start() as lab:
        yield lab


def dynconfig(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    kept = {**kept, "KUBECONFIG": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1"}
    command = (sys.executable, "-m", "dynconfig", *arguments)
    return subprocess.run(
        command, env={**kept, **environment}, input=stdin, capture_output=True, text=True, check=False
    )


def aws(lab: AwsLab) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": lab.endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
    }


def changed(name: str, **fields: object) -> str:
    documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
    (parameter,) = (item for item in documents[1]["spec"]["parameters"] if item["name"] == name)
    parameter.update(fields)
    return yaml.safe_dump_all(documents)


def test_help_names_every_command_with_an_example() -> None:
    shown = dynconfig("--help").stdout
    for command in ("validate", "plan", "crd", "iam", "run"):
        assert command in shown
        assert "Example: " in dynconfig(command, "--help").stdout


def test_valid_manifests_are_counted() -> None:
    result = dynconfig("validate", "-f", str(EXAMPLE))
    assert result.returncode == 0
    assert "default/myapp: 5 parameters are valid" in result.stdout


def test_every_fault_is_told_with_its_parameter_and_without_its_value() -> None:
    text = changed("database/port", value="seven-canary")
    result = dynconfig("validate", "-f", "-", stdin=text)
    assert result.returncode == 1
    assert re.search(r"^-:\d+: parameter database/port: the value is not of type integer$", result.stderr, re.MULTILINE)
    assert "default/myapp: 1 fault" in result.stderr
    assert "seven-canary" not in result.stderr + result.stdout


@pytest.mark.lab
def test_a_rule_is_checked_by_validate_and_by_plan(lab: AwsLab) -> None:
    documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
    documents[1]["spec"]["rules"] = [{"rule": "config['api/timeout'] < 10"}]
    text, told = yaml.safe_dump_all(documents), "spec.rules[0]: does not hold: config['api/timeout'] < 10"
    assert told in dynconfig("validate", "-f", "-", stdin=text).stderr
    planned = dynconfig("plan", "-f", "-", "--offline", stdin=text, **aws(lab))
    assert planned.returncode == 1
    assert told in planned.stderr


def test_a_warning_does_not_fail() -> None:
    result = dynconfig("validate", "-f", "-", stdin=EXAMPLE.read_text().replace("api/timeout", "api/token"))
    assert result.returncode == 0
    assert "warning: parameter api/token: sounds like a secret" in result.stderr


def test_a_wrong_field_is_named_as_it_stands_in_the_file() -> None:
    result = dynconfig("validate", "-f", "-", stdin=changed("api/timeout", ttlSeconds=-5))
    assert result.returncode == 1
    assert "spec.parameters[api/timeout].ttlSeconds" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("validate", "-f", "none.yaml"), ("plan", "-f", "none.yaml", "--offline")], ids=lambda a: a[0]
)
def test_a_failure_is_one_line_without_a_traceback(arguments: tuple[str, ...]) -> None:
    result = dynconfig(*arguments, AWS_REGION="eu-west-1")
    assert result.returncode == 1
    assert result.stderr.startswith("error: none.yaml: cannot be read")
    assert "Traceback" not in result.stderr


def test_without_a_region_the_user_is_told_how_to_set_one() -> None:
    result = dynconfig("plan", "-f", str(EXAMPLE), "--offline")
    assert result.returncode == 1
    assert "set AWS_REGION" in result.stderr


def test_aws_that_does_not_answer_is_one_line() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    result = dynconfig("plan", "-f", str(EXAMPLE), "--offline", AWS_REGION="eu-west-1", **environment)
    assert result.returncode == 1
    assert "AWS does not answer" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.lab
def test_a_plan_says_what_would_be_created_and_shows_no_secret(lab: AwsLab) -> None:
    result = dynconfig("plan", "-f", str(EXAMPLE), "--offline", **aws(lab))
    assert result.returncode == 2, result.stderr
    assert "+ create Parameter /myapp/config/database/password" in result.stdout
    assert "value: •••" in result.stdout
    assert "Plan: 5 to create; 5 resources declared." in result.stdout
    assert PASSWORD not in result.stdout + result.stderr
    assert lab.calls().get("ssm.PutParameter") is None


@pytest.mark.lab
def test_a_plan_for_programs_is_json(lab: AwsLab) -> None:
    result = dynconfig("plan", "-f", str(EXAMPLE), "--offline", "-o", "json", **aws(lab))
    (planned,) = json.loads(result.stdout)
    assert (planned["namespace"], planned["name"], planned["declared"]) == ("default", "myapp", 5)
    assert {change["change"] for change in planned["changes"]} == {"create"}
    assert PASSWORD not in result.stdout


@pytest.mark.lab
def test_the_example_of_validation_plans(lab: AwsLab) -> None:
    example = EXAMPLE.with_name("validation.yaml")
    result = dynconfig("plan", "-f", str(example), "--offline", **aws(lab))
    assert result.returncode == 2, result.stderr
    assert "Plan: 8 to create; 8 resources declared." in result.stdout
    assert "replica.shop.internal" not in result.stdout


def test_the_policy_is_for_the_paths_asked_for() -> None:
    policy = json.loads(dynconfig("iam", "--path", "/shop", "--account", "1").stdout)
    assert policy["Statement"][0]["Resource"] == ["arn:aws:ssm:eu-west-1:1:parameter/shop/*"]


def test_the_crd_is_yaml_that_kubectl_takes() -> None:
    document = yaml.safe_load(dynconfig("crd").stdout)
    assert document["kind"] == "CustomResourceDefinition"

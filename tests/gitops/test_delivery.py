"""The sample pipelines: their files parse, their scripts are sound, and they call nothing that does not exist."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from dynconfig.aws.permissions import Allowed, operator_policy

DELIVERY = Path(__file__).parents[2] / "manifests" / "examples" / "environments" / "delivery"
WORKFLOW = DELIVERY / "github" / "configuration.yaml"
PIPELINE = DELIVERY / "aws" / "pipeline.yaml"
SCRIPTS = sorted(DELIVERY.glob("*.sh"))
ENVIRONMENTS = {"dev", "staging", "prod"}


def workflow() -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for true.
    return {"on" if key is True else str(key): value for key, value in yaml.safe_load(WORKFLOW.read_text()).items()}


def commands() -> Iterator[tuple[str, str]]:
    """Everything that a shell runs, with the file it stands in."""
    for script in SCRIPTS:
        yield script.name, script.read_text()
    for name, job in workflow()["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                yield f"{WORKFLOW.name} {name}", step["run"]
    for buildspec in sorted((DELIVERY / "aws").glob("buildspec-*.yaml")):
        for phase in yaml.safe_load(buildspec.read_text())["phases"].values():
            yield buildspec.name, "\n".join(phase["commands"])


ALL = list(commands())


@pytest.mark.parametrize(("name", "text"), ALL, ids=lambda value: value.split("\n")[0][:30])
def test_the_shell_understands_every_script(name: str, text: str) -> None:
    result = subprocess.run(["/bin/bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{name}: {result.stderr}"


def test_scripts_stop_at_the_first_failure_and_can_be_run() -> None:
    for script in SCRIPTS:
        assert "set -eu" in script.read_text()
        assert os.access(script, os.X_OK)


def test_pipelines_call_dynconfig_as_it_is() -> None:
    called = [call for _, text in ALL for call in re.findall(r"^\s*dynconfig ([a-z]+)(.*)$", text, re.MULTILINE)]
    assert {name for name, _ in called} == {"validate", "plan"}
    for name, rest in called:
        told = _told(sys.executable, "-m", "dynconfig", name, "--help")
        assert re.findall(r"(?<= )-{1,2}[a-z-]+", rest)
        assert all(re.search(rf"{option}\b", told) for option in re.findall(r"(?<= )-{1,2}[a-z-]+", rest)), (name, rest)


@pytest.mark.tools
def test_pipelines_call_kubectl_as_it_is(kubectl: Path) -> None:
    called = [call for _, text in ALL for call in re.findall(r"kubectl (?:-n \S+ )?([a-z]+)(.*)$", text, re.MULTILINE)]
    assert {name for name, _ in called} == {"kustomize", "get", "version"}
    for name, rest in called:
        told = _told(str(kubectl), name, "--help")
        assert all(f"{option}=" in told for option in re.findall(r"--[a-z-]+", rest)), (name, rest)


def test_every_script_that_is_called_exists_and_is_given_environments() -> None:
    called = [call for _, text in ALL for call in re.findall(r"environments/delivery/(\S+\.sh)((?: \S+)+)", text)]
    assert {name for name, _ in called} == {script.name for script in SCRIPTS}
    for _, arguments in called:
        given = {word for word in re.findall(r"[\w$\"]+", arguments) if word.isalpha()}
        assert given & ENVIRONMENTS or '"$FROM" "$TO"' in arguments


def test_the_workflow_promotes_one_environment_after_the_other() -> None:
    jobs = workflow()["jobs"]
    assert set(jobs) == {"plan", "staging", "prod"}
    assert jobs["prod"]["needs"] == "staging"
    assert {name: job.get("environment") for name, job in jobs.items()} == {
        "plan": None,
        "staging": "staging",
        "prod": "prod",
    }
    assert set(workflow()["on"]) == {"pull_request", "push"}


def test_the_workflow_gives_no_more_rights_than_a_job_needs() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    assert "contents: write" not in str(workflow()["jobs"]["plan"]["permissions"])
    for job in workflow()["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    # An expression in a script would be a way in for whoever names a branch.
    assert not [name for name, text in ALL if "${{" in text]


def test_cloudformation_finds_nothing_wrong_with_the_pipeline() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--regions", "eu-west-1", "us-east-1", "--template", str(PIPELINE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_the_stages_of_the_pipeline_go_from_plan_to_production() -> None:
    stages = _template()["Resources"]["Pipeline"]["Properties"]["Stages"]
    assert [stage["Name"] for stage in stages] == ["Source", "Plan", "Staging", "Production"]
    moves = [
        {item["name"]: item["value"] for item in json.loads(action["Configuration"]["EnvironmentVariables"])}
        for stage in stages
        for action in stage["Actions"]
        if "EnvironmentVariables" in action.get("Configuration", {})
    ]
    assert moves == [{"FROM": "dev", "TO": "staging"}, {"FROM": "staging", "TO": "prod"}]
    assert all(stage["Actions"][0]["ActionTypeId"]["Category"] == "Approval" for stage in stages[2:])


def test_the_role_that_plans_may_read_what_the_operator_reads_and_write_nothing() -> None:
    statements = _template()["Resources"]["PlanRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    granted = [action for item in statements for action in _listed(item["Action"])]
    allowed = Allowed(paths=["/shop"], account="1", region="eu-west-1", keys=["k"])
    # Whoever plans does not listen to the operator's queue.
    planned = [item for item in operator_policy(allowed)["Statement"] if item["Sid"] not in ("Queue", "EventRules")]
    asked = [action for item in planned for action in item["Action"]]
    reads = [action for action in asked if re.match(r"\w+:(Get|Describe|List|Decrypt)", action)]
    assert reads
    assert [action for action in reads if not any(fnmatch(action, pattern) for pattern in granted)] == []
    assert all(re.fullmatch(r"[a-z]+:(Get|Describe|List|Decrypt|GET)[A-Za-z]*\*?", action) for action in granted)


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _template() -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(PIPELINE.read_text(), _Template)  # noqa: S506 - a SafeLoader
    return template


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


class _Template(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation, which stay what they say."""


_Template.add_multi_constructor("!", lambda loader, _tag, node: str(node.value))

"""The sample pipelines: their files parse, their scripts are valid, and they call only what exists."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.gitops.delivery import SCRIPTS, commands, workflow

ENVIRONMENTS = {"dev", "staging", "prod"}
ALL = list(commands())
JOBS = workflow()["jobs"]


@pytest.mark.parametrize(("name", "text"), ALL, ids=lambda value: value.split("\n")[0][:30])
def test_shell_parses_every_script(name: str, text: str) -> None:
    result = subprocess.run(["/bin/bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{name}: {result.stderr}"


def test_scripts_stop_at_the_first_failure_and_are_executable() -> None:
    for script in SCRIPTS:
        assert "set -eu" in script.read_text()
        assert os.access(script, os.X_OK)


def test_pipelines_use_existing_dynconfig_options() -> None:
    called = [call for _, text in ALL for call in re.findall(r"^\s*dynconfig ([a-z]+)(.*)$", text, re.MULTILINE)]
    assert {name for name, _ in called} == {"validate", "plan", "status"}
    for name, rest in called:
        help_text = _output(sys.executable, "-m", "dynconfig", name, "--help")
        assert re.findall(r"(?<= )-{1,2}[a-z-]+", rest)
        assert all(re.search(rf"{option}\b", help_text) for option in re.findall(r"(?<= )-{1,2}[a-z-]+", rest)), (
            name,
            rest,
        )


@pytest.mark.tools
def test_pipelines_use_existing_kubectl_options(kubectl: Path) -> None:
    called = [call for _, text in ALL for call in re.findall(r"kubectl (?:-n \S+ )?([a-z]+)(.*)$", text, re.MULTILINE)]
    assert {name for name, _ in called} == {"kustomize", "get", "version"}
    for name, rest in called:
        help_text = _output(str(kubectl), name, "--help")
        assert all(f"{option}=" in help_text for option in re.findall(r"--[a-z-]+", rest)), (name, rest)


def test_every_called_script_exists_and_gets_environments() -> None:
    called = [call for _, text in ALL for call in re.findall(r"environments/delivery/(\S+\.sh)((?: \S+)+)", text)]
    assert {name for name, _ in called} == {script.name for script in SCRIPTS}
    for _, arguments in called:
        given = {word for word in re.findall(r"[\w$\"]+", arguments) if word.isalpha()}
        assert given & ENVIRONMENTS or '"$FROM" "$TO"' in arguments


def test_workflow_promotes_one_environment_after_the_other() -> None:
    jobs = workflow()["jobs"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "plan": None,
        "merged": None,
        "staging": "merged",
        "prod": "staging",
    }
    assert {name: job.get("environment") for name, job in jobs.items()} == {
        "plan": None,
        "merged": None,
        "staging": "staging",
        "prod": "prod",
    }
    assert set(workflow()["on"]) == {"pull_request", "push"}


def test_workflow_uses_the_pull_request_role_for_unreviewed_changes() -> None:
    roles = {name: str(job["steps"]).partition("${{ vars.")[2].partition(" }}")[0] for name, job in JOBS.items()}
    assert roles == {
        "plan": "PULL_REQUEST_ROLE",
        "merged": "PLAN_ROLE",
        "staging": "PROMOTE_ROLE",
        "prod": "PROMOTE_ROLE",
    }
    assert JOBS["plan"]["if"].startswith("github.event_name == 'pull_request' && ")
    assert JOBS["merged"]["if"] == "github.event_name == 'push'"


def test_workflow_jobs_have_minimal_permissions() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    writers = {name for name, job in workflow()["jobs"].items() if job["permissions"]["contents"] == "write"}
    assert writers == {"staging", "prod"}
    for job in workflow()["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    # An expression in a script would allow injection by a branch name.
    assert not [name for name, text in ALL if "${{" in text]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

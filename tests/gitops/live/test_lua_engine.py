"""The health check and the actions in Argo CD's own Lua engine, with the settings of argocd-cm."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.gitops import customization

from dynconfig_lab import tools

pytestmark = [pytest.mark.argocd, pytest.mark.timeout(3600)]

HEALTH = customization.load("health_test.yaml")["tests"]
ACTIONS = customization.load("actions/action_test.yaml")


@pytest.fixture(scope="module")
def argocd() -> Path:
    return tools.argocd(Console(stderr=True)) / "argocd"


def overrides(argocd: Path, home: Path, verb: str, obj: str, *arguments: str) -> str:
    """The output of `argocd admin settings resource-overrides`, without a cluster."""
    settings = ("admin", "settings", "resource-overrides", verb, str(customization.FOLDER / obj), *arguments)
    command = [str(argocd), *settings, "--argocd-cm-path", str(customization.CONFIG_MAP)]
    result = subprocess.run(command, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("test", HEALTH, ids=lambda test: test["inputPath"])
def test_health_matches_the_cases(test: dict[str, Any], argocd: Path, tmp_path: Path) -> None:
    printed = overrides(argocd, tmp_path, "health", test["inputPath"])
    assert printed.splitlines() == [
        f"STATUS: {test['healthStatus']['status']}",
        f"MESSAGE: {test['healthStatus']['message']}",
    ]


@pytest.mark.parametrize("test", ACTIONS["discoveryTests"], ids=lambda test: test["inputPath"])
def test_offered_actions_match_the_cases(test: dict[str, Any], argocd: Path, tmp_path: Path) -> None:
    printed = overrides(argocd, tmp_path, "list-actions", f"actions/{test['inputPath']}")
    rows = {line.split()[0]: line.split()[1] for line in printed.splitlines()[1:]}
    assert rows == {item["name"]: str(item["disabled"]).lower() for item in test["result"]}


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("reconcile", "dynconfig.dev/reconcile-requested-at: "),
        ("suspend", "suspend: true"),
        ("resume", "suspend: false"),
    ],
)
def test_actions_change_the_object_as_in_the_cases(action: str, changed: str, argocd: Path, tmp_path: Path) -> None:
    (test,) = (item for item in ACTIONS["actionTests"] if item["action"] == action)
    printed = overrides(argocd, tmp_path, "run-action", f"actions/{test['inputPath']}", action)
    added = [line for line in printed.splitlines() if line.startswith((">", "+ "))]
    assert [line for line in added if changed in line], printed

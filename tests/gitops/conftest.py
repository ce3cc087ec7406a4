"""The programs that GitOps tests run: from PATH, or built by the lab before `make test`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from rich.console import Console

from dynconfig_lab import binaries, tools

Document = dict[str, Any]
Build = Callable[[Path], list[Document]]

CHART = Path(__file__).parents[2] / "charts" / "dynconfig-operator"


class Render(Protocol):
    """The output of helm for values."""

    def __call__(self, values: Document, namespace: str = "dynconfig-system") -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return binaries.kubectl(Console(stderr=True))


@pytest.fixture(scope="session")
def kustomize(kubectl: Path) -> Build:
    """The output of kustomize for a folder; fails with kustomize's message."""

    def build(folder: Path) -> list[Document]:
        result = subprocess.run([str(kubectl), "kustomize", str(folder)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return [document for document in yaml.safe_load_all(result.stdout) if document]

    return build


@pytest.fixture(scope="session")
def helm() -> Path:
    return tools.helm(Console(stderr=True))


@pytest.fixture
def render(helm: Path, tmp_path: Path) -> Render:
    def run(values: Document, namespace: str = "dynconfig-system") -> "subprocess.CompletedProcess[str]":
        # JSON is YAML with all strings quoted.
        (tmp_path / "values.yaml").write_text(json.dumps(values))
        command = [str(helm), "template", "dynconfig-operator", str(CHART), "--namespace", namespace]
        command += ["--values", str(tmp_path / "values.yaml")]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=own(tmp_path))

    return run


def own(folder: Path) -> dict[str, str]:
    """Helm's own files are in the test's folder."""
    return {"HOME": str(folder), "PATH": ""}


def rendered(result: "subprocess.CompletedProcess[str]") -> list[Document]:
    """The documents that helm printed; fails with helm's message."""
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]

"""The programs that GitOps tests run: from PATH, or of the lab, which `make test` builds before."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from dynconfig_lab import binaries

Document = dict[str, Any]
Build = Callable[[Path], list[Document]]


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return binaries.kubectl(Console(stderr=True))


@pytest.fixture(scope="session")
def kustomize(kubectl: Path) -> Build:
    """What kustomize makes of a folder; it fails with kustomize's own words."""

    def build(folder: Path) -> list[Document]:
        result = subprocess.run([str(kubectl), "kustomize", str(folder)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return [document for document in yaml.safe_load_all(result.stdout) if document]

    return build

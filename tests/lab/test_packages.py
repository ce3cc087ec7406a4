"""Programs of Debian packages, such as Redis for a real Argo CD: from PATH, or installed."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console
from tests.lab.test_binaries import script

from dynconfig_lab import packages
from dynconfig_lab.errors import BuildFailed, LabError


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_program_on_path_is_used(tmp_path: Path, console: Console) -> None:
    redis = script(tmp_path / "redis-server", "exit 0")
    assert packages.program("redis-server", console, {"PATH": str(tmp_path)}) == redis


def test_missing_program_is_reported_with_what_to_install(tmp_path: Path, console: Console) -> None:
    with pytest.raises(LabError, match="apt-get install redis-server"):
        packages.program("redis-server", console, {"PATH": str(tmp_path)})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install")
def test_root_installs_a_program_with_apt(tmp_path: Path, console: Console) -> None:
    install = f'[ "$1" = update ] || {{ printf "" > {tmp_path}/chromium; /bin/chmod +x {tmp_path}/chromium; }}'
    script(tmp_path / "apt-get", install)
    assert packages.program("chromium", console, {"PATH": str(tmp_path)}) == tmp_path / "chromium"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install")
def test_failed_installation_is_reported_with_its_output(tmp_path: Path, console: Console) -> None:
    script(tmp_path / "apt-get", 'echo "Unable to locate package" >&2; exit 100')
    with pytest.raises(BuildFailed, match="Unable to locate package"):
        packages.program("redis-server", console, {"PATH": str(tmp_path)})

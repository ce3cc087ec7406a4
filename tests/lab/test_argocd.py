"""What a real Argo CD needs on this machine: Redis, from PATH or installed."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console
from tests.lab.test_binaries import script

from dynconfig_lab import argocd
from dynconfig_lab.errors import BuildFailed, LabError


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_redis_on_path_is_used(tmp_path: Path, console: Console) -> None:
    redis = script(tmp_path / "redis-server", "exit 0")
    assert argocd.redis_server(console, {"PATH": str(tmp_path)}) == redis


def test_missing_redis_is_reported_with_what_to_install(tmp_path: Path, console: Console) -> None:
    with pytest.raises(LabError, match="apt-get install redis-server"):
        argocd.redis_server(console, {"PATH": str(tmp_path)})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install")
def test_root_installs_redis_with_apt(tmp_path: Path, console: Console) -> None:
    install = f'[ "$1" = update ] || {{ printf "" > {tmp_path}/redis-server; /bin/chmod +x {tmp_path}/redis-server; }}'
    script(tmp_path / "apt-get", install)
    assert argocd.redis_server(console, {"PATH": str(tmp_path)}) == tmp_path / "redis-server"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install")
def test_failed_installation_is_reported_with_its_output(tmp_path: Path, console: Console) -> None:
    script(tmp_path / "apt-get", 'echo "Unable to locate package" >&2; exit 100')
    with pytest.raises(BuildFailed, match="Unable to locate package"):
        argocd.redis_server(console, {"PATH": str(tmp_path)})

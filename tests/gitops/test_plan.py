"""What a pull request is told of environments that it may not ask about: what files alone say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.gitops.delivery import FOLDER


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "before"))


def compare(before: Path, kubectl: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    """The script of the pipeline, where neither a cluster nor AWS is known."""
    path = os.pathsep.join((str(Path(sys.executable).parent), str(kubectl.parent), os.environ["PATH"]))
    environment = {"PATH": path, "HOME": str(before.parent), "BEFORE": str(before), "TERM": "dumb"}
    command = [str(FOLDER / "delivery" / "plan.sh"), *names]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.tools
def test_an_environment_that_stays_as_it_is_has_nothing_to_compare(before: Path, kubectl: Path) -> None:
    result = compare(before, kubectl, "prod")
    assert result.returncode == 0, result.stderr
    assert "# prod" in result.stdout


@pytest.mark.tools
def test_what_changes_is_told_without_a_cluster_and_without_aws(before: Path, kubectl: Path) -> None:
    values = before / "prod" / "values.yaml"
    values.write_text(values.read_text().replace("db.prod.shop.internal", "old.prod.shop.internal"))
    result = compare(before, kubectl, "staging", "prod")
    assert result.returncode == 2, result.stderr
    assert "-    value: old.prod.shop.internal\n+    value: db.prod.shop.internal" in result.stdout


@pytest.mark.tools
def test_an_environment_that_is_new_is_told_as_a_whole(before: Path, kubectl: Path) -> None:
    shutil.rmtree(before / "prod")
    result = compare(before, kubectl, "prod")
    assert result.returncode == 2, result.stderr
    assert "+kind: DynamicConfig" in result.stdout


@pytest.mark.tools
def test_what_cannot_be_compared_is_no_plan(before: Path, kubectl: Path) -> None:
    (before / "base" / "config.yaml").unlink()
    assert compare(before, kubectl, "prod").returncode == 1

"""The promotion script: it moves an environment to what was proved in the previous one, and to nothing else."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "manifests" / "examples" / "environments" / "delivery" / "promote.sh"
# Argo CD's successive states of an Application; the last one stays.
KUBECTL = """#!/bin/sh
head -n 1 "$STATES" | tr -d '\\n'
[ "$(wc -l < "$STATES")" -le 1 ] || sed -i 1d "$STATES"
"""
# The output of `dynconfig status --watch --stable`, and a command that another user runs while it waits.
DYNCONFIG = """#!/bin/sh
echo "$*" > "$CALLED"
eval "${MEANWHILE:-:}"
exit "${BAKED:-0}"
"""
AUTHOR = {f"GIT_{who}_{what}": "ann@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class Repository:
    """A team's repository, a checkout of the pipeline, and one in which another user commits."""

    folder: Path

    def git(self, where: str, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder / where), *arguments]
        environment = {**os.environ, **AUTHOR}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, where: str, file: str, text: str) -> str:
        """Change a file, on main."""
        path = self.folder / where / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.git(where, "add", "--all")
        self.git(where, "commit", "--quiet", "--message", f"Change {file}")
        self.git(where, "push", "--quiet", "origin", "HEAD:main")
        return self.git(where, "rev-parse", "HEAD")

    def commit_elsewhere(self, file: str, text: str) -> str:
        """A commit that is not in the pipeline's checkout."""
        if not (self.folder / "elsewhere").exists():
            self.git(".", "clone", "--quiet", str(self.folder / "origin"), "elsewhere")
        return self.commit("elsewhere", file, text)

    def promote(self, *states: str, patience: int = 60, **about: str) -> "subprocess.CompletedProcess[str]":
        """Promote the checkout from dev to staging, with this state of dev in Argo CD."""
        (self.folder / "states").write_text("".join(f"{state}\n" for state in states))
        script = self.folder / "checkout" / "environments" / "delivery" / SCRIPT.name
        environment = {
            **os.environ,
            "PATH": os.pathsep.join((str(self.folder / "bin"), os.environ["PATH"])),
            "STATES": str(self.folder / "states"),
            "TIMEOUT_SECONDS": str(patience),
            "PAUSE": "0",
            "CALLED": str(self.folder / "called"),
            **about,
        }
        command, where = [str(script), "dev", "staging"], self.folder / "checkout"
        return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)

    @property
    def staging(self) -> str:
        """The commit that staging follows; empty before the first."""
        return self.git("origin", "for-each-ref", "--format=%(objectname)", "refs/heads/env/staging")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(tmp_path)
    found.git(".", "init", "--quiet", "--bare", "--initial-branch=main", "origin")
    found.git(".", "clone", "--quiet", str(tmp_path / "origin"), "checkout")
    script = tmp_path / "checkout" / "environments" / "delivery" / SCRIPT.name
    script.parent.mkdir(parents=True)
    shutil.copy(SCRIPT, script)
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    dynconfig = tmp_path / "bin" / "dynconfig"
    dynconfig.write_text(DYNCONFIG)
    dynconfig.chmod(0o755)
    return found


@pytest.fixture
def commit(repository: Repository) -> str:
    return repository.commit("checkout", "environments/base/config.yaml", "1")


def test_commit_healthy_in_the_previous_environment_is_promoted(repository: Repository, commit: str) -> None:
    result = repository.promote(f"Synced/Healthy/{commit}")
    assert result.returncode == 0, result.stderr
    assert repository.staging == commit


def test_promotion_waits_for_the_end_of_the_bake_times(repository: Repository, commit: str) -> None:
    assert repository.promote(f"Synced/Healthy/{commit}").returncode == 0
    called = (repository.folder / "called").read_text()
    assert called == "status --watch --stable --namespace shop-dev --timeout 40m\n"


def test_change_rolled_back_while_baking_is_not_promoted(repository: Repository, commit: str) -> None:
    result = repository.promote(f"Synced/Healthy/{commit}", BAKED="1")
    assert result.returncode == 1
    assert "shop-dev has not become stable" in result.stderr
    assert repository.staging == ""


def test_later_commit_during_the_bake_is_not_promoted(repository: Repository, commit: str) -> None:
    later = repository.commit_elsewhere("environments/dev/values.yaml", "1")
    states = repository.folder / "states"
    meanwhile = f"echo Synced/Healthy/{later} > '{states}'"
    result = repository.promote(f"Synced/Healthy/{commit}", MEANWHILE=meanwhile)
    assert result.returncode == 1
    assert f"is already at {later}" in result.stderr
    assert repository.staging == ""


def test_promotion_waits_until_argo_cd_has_synced_the_commit_and_it_is_healthy(
    repository: Repository, commit: str
) -> None:
    before = repository.git("checkout", "rev-parse", "HEAD")
    newest = repository.commit("checkout", "environments/base/config.yaml", "2")
    said = ("//", f"Synced/Healthy/{before}", f"OutOfSync/Healthy/{newest}", f"Synced/Progressing/{newest}")
    result = repository.promote(*said, f"Synced/Healthy/{newest}")
    assert result.returncode == 0, result.stderr
    assert repository.staging == newest
    assert (repository.folder / "states").read_text() == f"Synced/Healthy/{newest}\n"


def test_later_commit_without_environment_changes_does_not_delay_promotion(repository: Repository, commit: str) -> None:
    later = repository.commit_elsewhere("README.md", "1")
    result = repository.promote(f"OutOfSync/Healthy/{later}", f"Synced/Healthy/{later}")
    assert result.returncode == 0, result.stderr
    assert repository.staging == commit


def test_health_of_a_later_commit_with_environment_changes_proves_nothing(repository: Repository, commit: str) -> None:
    later = repository.commit_elsewhere("environments/dev/values.yaml", "1")
    result = repository.promote(f"Synced/Progressing/{commit}", f"Synced/Healthy/{later}")
    assert result.returncode == 1
    assert f"is already at {later}" in result.stderr
    assert repository.staging == ""


def test_unhealthy_commit_is_not_promoted(repository: Repository, commit: str) -> None:
    result = repository.promote(f"Synced/Degraded/{commit}", patience=0)
    assert result.returncode == 1
    assert f"but Synced/Degraded/{commit}" in result.stderr
    assert repository.staging == ""


def test_environment_never_moves_to_an_older_commit(repository: Repository, commit: str) -> None:
    later = repository.commit_elsewhere("README.md", "1")
    repository.git("elsewhere", "push", "--quiet", "origin", "HEAD:env/staging")
    assert repository.promote(f"Synced/Healthy/{commit}").returncode != 0
    assert repository.staging == later

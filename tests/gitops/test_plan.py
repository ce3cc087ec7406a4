"""What a pull request shows: from files only without access, and as a comment that never changes the result."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.gitops.delivery import FOLDER, step

GH = """#!/bin/sh
# GitHub's command line as far as it is called here: the last word names the body of a comment.
for file in "$@"; do :; done
cp "$file" "$(dirname "$0")/posted.md"
[ ! -e "$(dirname "$0")/github-is-away" ] && [ "$(wc -m < "$file")" -le 65536 ]
"""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "before"))


def compare(before: Path, kubectl: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    """The script of the pipeline without access to a cluster or AWS."""
    path = os.pathsep.join((str(Path(sys.executable).parent), str(kubectl.parent), os.environ["PATH"]))
    environment = {"PATH": path, "HOME": str(before.parent), "BEFORE": str(before), "TERM": "dumb"}
    command = [str(FOLDER / "delivery" / "plan.sh"), *names]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.tools
def test_unchanged_environment_has_nothing_to_compare(before: Path, kubectl: Path) -> None:
    result = compare(before, kubectl, "prod")
    assert result.returncode == 0, result.stderr
    assert "# prod" in result.stdout


@pytest.mark.tools
def test_changes_are_shown_without_a_cluster_and_without_aws(before: Path, kubectl: Path) -> None:
    values = before / "prod" / "values.yaml"
    values.write_text(values.read_text().replace("db.prod.shop.internal", "old.prod.shop.internal"))
    result = compare(before, kubectl, "staging", "prod")
    assert result.returncode == 2, result.stderr
    assert "-    value: old.prod.shop.internal\n+    value: db.prod.shop.internal" in result.stdout


@pytest.mark.tools
def test_new_environment_is_shown_completely(before: Path, kubectl: Path) -> None:
    shutil.rmtree(before / "prod")
    result = compare(before, kubectl, "prod")
    assert result.returncode == 2, result.stderr
    assert "+kind: DynamicConfig" in result.stdout


@pytest.mark.tools
def test_failed_comparison_is_not_a_plan(before: Path, kubectl: Path) -> None:
    (before / "base" / "config.yaml").unlink()
    assert compare(before, kubectl, "prod").returncode == 1


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The merge commit of a pull request; its plan.sh prints the lines of a file, and exits with changes."""
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(GH)
    program.chmod(0o755)
    script = tmp_path / "checkout" / "environments" / "delivery" / "plan.sh"
    script.parent.mkdir(parents=True)
    script.write_text('#!/bin/sh\nset -eu\necho "# $* ${BEFORE:+before}"\ncat lines\nexit $(cat code)\n')
    script.chmod(0o755)
    where = script.parents[2]
    (where / "code").write_text("2")
    for arguments in (("init", "--quiet"), ("add", "--all"), *[("commit", "-qm", "x", "--allow-empty")] * 2):
        command = ["git", "-C", str(where), "-c", "user.name=Ann", "-c", "user.email=ann@example.com", *arguments]
        subprocess.run(command, check=True)
    return where


def comment(checkout: Path, lines: str) -> tuple[int, str, str]:
    """Run the step as GitHub does; return its exit code, the comment and the summary."""
    (checkout / "lines").write_text(lines)
    folder = checkout.parent
    environment = {
        "PATH": os.pathsep.join((str(folder / "bin"), os.environ["PATH"])),
        "LC_ALL": "C.UTF-8",
        "RUNNER_TEMP": str(folder),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "shop/configuration",
        "GITHUB_RUN_ID": "7",
        "NUMBER": "1",
    }
    command = ["bash", "-e", "-c", step("plan", "Plan")]
    result = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    return result.returncode, (folder / "bin" / "posted.md").read_text(), (folder / "summary.md").read_text()


def test_plan_is_commented_on_the_pull_request_and_production_from_files_only(checkout: Path) -> None:
    code, posted, summary = comment(checkout, "a change\n")
    assert code == 0
    assert posted == summary == "```\n# dev staging \na change\n# prod before\na change\n```\n"


def test_too_long_plan_is_truncated_with_a_link_to_all_of_it(checkout: Path) -> None:
    code, posted, summary = comment(checkout, "  ~ größer → größer\n" * 5000)
    assert code == 0
    assert posted.endswith("```\nThe plan is longer: https://github.example/shop/configuration/actions/runs/7\n")
    assert len(posted) < 65536
    assert summary.count("größer → größer") == 10000


def test_failed_comment_does_not_change_the_result(checkout: Path) -> None:
    (checkout.parent / "bin" / "github-is-away").touch()
    assert comment(checkout, "a change\n")[0] == 0


def test_failed_plan_fails_the_run_and_is_reported(checkout: Path) -> None:
    (checkout / "code").write_text("1")
    code, posted, _summary = comment(checkout, "✗ wrong\n")
    assert code == 1
    assert "✗ wrong" in posted

"""The example shop with a real Argo CD: its repository, its Applications and their status."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from tests.e2e.world import World

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

ROOT = Path(__file__).parents[3]
ARGOCD = ROOT / "manifests" / "argocd"
ENVIRONMENTS = ROOT / "manifests" / "examples" / "environments"
NAMES = ("dev", "staging", "prod")
PATIENCE = 90.0
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
AUTHOR = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com"}
COMMITTER = {"GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com"}

Document = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """A team's setup: a checkout for commits, and Argo CD that follows the repository."""

    stack: Stack
    http: httpx2.Client
    logs: Path

    @property
    def origin(self) -> Path:
        """The repository that Argo CD reads."""
        return self.stack.folder / "configuration.git"

    @property
    def checkout(self) -> Path:
        """The folder for commits."""
        return self.stack.folder / "configuration"

    def open(self) -> None:
        """The first commit; projects and ApplicationSet of manifests/argocd, with the repository's address."""
        self._make_repository()
        for name in NAMES:
            self.stack.kubectl("create", "namespace", f"shop-{name}")
            secret = ("create", "secret", "generic", "shop-db", f"--from-literal=password=canary-{name}")
            self.stack.kubectl("-n", f"shop-{name}", *secret)
        patch = str(ARGOCD / "argocd-cm.yaml")
        self.stack.kubectl("-n", "argocd", "patch", "configmap", "argocd-cm", "--patch-file", patch)
        for file in ("project.yaml", "environments.yaml"):
            text = (ARGOCD / file).read_text()
            here = text.replace("https://git.example.com/shop/configuration.git", f"file://{self.origin}")
            self.stack.kubectl("apply", "-f", "-", stdin=here)
        self.wait("the ApplicationSet has made its Applications", lambda: set(self._names()) == _applications())

    def world(self, environment: str) -> World:
        """The objects and parameters of an environment."""
        return World(self.stack, self.http, f"shop-{environment}", f"/shop/{environment}")

    def commit(self, environment: str, change: Callable[[Document], None]) -> str:
        """Change an environment's policy in git on main, and notify Argo CD as a webhook would; return the commit."""
        path = self.checkout / "environments" / environment / "policy.yaml"
        document = yaml.safe_load(path.read_text())
        change(document)
        path.write_text(yaml.safe_dump(document))
        return self.publish(environment)

    def publish(self, environment: str) -> str:
        """Commit the changes in the checkout."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", f"Change {environment}")
        self.git("push", "--quiet", "origin", "HEAD:main")
        self.refresh(environment)
        return self.git("rev-parse", "HEAD")

    def restore(self) -> None:
        """Restore the content of the first commit on main, and wait until all environments have it."""
        first = self.git("rev-list", "--max-parents=0", "HEAD")
        self.git("checkout", "--quiet", first, "--", ".")
        for path in self.git("diff", "--name-only", "--diff-filter=A", first, "HEAD").split():
            self.git("rm", "--quiet", "--force", path)
        self.git("push", "--quiet", "--force", "origin", f"{first}:refs/heads/env/staging")
        self.refresh("staging")
        commit = self.publish("dev")
        self.wait_for("dev", "Synced", "Healthy", commit)

    def refresh(self, environment: str, kind: str = "normal") -> None:
        """Refresh as a webhook does (normal), or without caches (hard)."""
        annotation = f"argocd.argoproj.io/refresh={kind}"
        self.stack.kubectl("-n", "argocd", "annotate", "--overwrite", "application", f"shop-{environment}", annotation)

    def status(self, environment: str) -> tuple[str, str, str]:
        """Sync, health and revision of an Application."""
        status = self.application(environment).get("status", {})
        sync = status.get("sync", {})
        return sync.get("status", ""), status.get("health", {}).get("status", ""), sync.get("revision", "")

    def application(self, environment: str) -> Document:
        """The Application."""
        return dict(self.http.get(f"{APPLICATIONS}/shop-{environment}").raise_for_status().json())

    def resource_health(self, environment: str, name: str = "shop") -> Document:
        """Health of a DynamicConfig in the Application's status."""
        resources = self.application(environment).get("status", {}).get("resources", [])
        return next((dict(item.get("health", {})) for item in resources if item["name"] == name), {})

    def wait_for(self, environment: str, sync: str, health: str, commit: str = "") -> None:
        """Wait until the Application reports this, for this commit if one is given."""

        def said() -> bool:
            is_sync, is_health, revision = self.status(environment)
            return (is_sync, is_health) == (sync, health) and commit in ("", revision)

        self.wait(f"shop-{environment} is {sync} and {health} at {commit[:8] or 'any commit'}", said)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for a condition; fail with the status of the Applications and the controller's log."""
        if not wait_until(condition, seconds):
            said = {name: self.application(name).get("status") for name in NAMES if f"shop-{name}" in self._names()}
            log = (self.logs / "argocd-application-controller.log").read_text()[-3000:]
            raise AssertionError(f"not in {seconds:.0f} s: {what}\n{yaml.safe_dump(said)}\n{log}")

    @contextmanager
    def watching(self, environment: str) -> Iterator[list[str]]:
        """Every sync status of the Application within the `with` block; complete when it ends."""
        command = (
            str(self.stack.kubectl_binary),
            "-n",
            "argocd",
            "get",
            "application",
            f"shop-{environment}",
            "--watch",
        )
        seen: list[str] = []
        with subprocess.Popen(
            [*command, "-o", 'jsonpath={.status.sync.status}{"\\n"}'],
            env=self.stack.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            seen.append(process.stdout.readline().strip())
            try:
                yield seen
            finally:
                process.terminate()
                seen.extend(line.strip() for line in process.stdout)

    def git(self, *arguments: str) -> str:
        """The output of git in the checkout."""
        return _run("git", "-C", str(self.checkout), *arguments, environment=self.stack.environment)

    def promote(self, before: str, after: str) -> None:
        """The script of the pipeline."""
        script = self.checkout / "environments" / "delivery" / "promote.sh"
        path = os.pathsep.join((str(self.stack.kubectl_binary.parent), os.environ["PATH"]))
        environment = {**self.stack.environment, "PATH": path, "TIMEOUT_SECONDS": f"{PATIENCE:.0f}"}
        result = subprocess.run(
            [str(script), before, after],
            cwd=self.checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def _make_repository(self) -> None:
        _run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        _run("git", "init", "--quiet", "--initial-branch=main", str(self.checkout))
        shutil.copytree(ENVIRONMENTS, self.checkout / "environments")
        self.git("remote", "add", "origin", f"file://{self.origin}")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Three environments")
        self.git("push", "--quiet", "origin", "HEAD:main", "HEAD:env/staging", "HEAD:env/prod")

    def _names(self) -> list[str]:
        items = self.http.get(APPLICATIONS).raise_for_status().json()["items"]
        return [item["metadata"]["name"] for item in items]


def _applications() -> set[str]:
    return {f"shop-{name}" for name in NAMES}


def _run(*command: str, environment: Any = os.environ) -> str:
    result = subprocess.run(
        command, env={**environment, **AUTHOR, **COMMITTER}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{' '.join(command)}: {result.stderr}"
    return result.stdout.strip()

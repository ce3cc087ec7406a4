"""A real Argo CD beside the lab's API server: its controllers, repo-server and Redis, as local processes."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from dynconfig_lab import packages, tools
from dynconfig_lab.errors import LabError
from dynconfig_lab.ports import HOST, free_ports
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import Program, wait_until
from dynconfig_lab.stack import Stack

NAMESPACE = "argocd"
START_SECONDS = 180
ESTABLISHED_SECONDS = 60

# Argo CD requires these objects. The values are those of its own installation, without users and without a web server.
_BASICS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-rbac-cm, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
---
apiVersion: v1
kind: Secret
metadata: {name: argocd-secret, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
stringData: {server.secretkey: of-the-lab}
"""


@contextmanager
def argocd(stack: Stack, console: Console) -> Iterator[Path]:
    """Run until the `with` block ends; yield the folder of the logs. Raises LabError."""
    redis, parts = packages.program("redis-server", console), tools.argocd(console)
    folder = stack.folder / "argocd"
    programs = _programs(redis, parts, folder, stack)
    _install(stack, parts)
    processes = ProcessGroup(programs, folder)
    try:
        processes.start(START_SECONDS)
        yield folder
    finally:
        processes.stop()


def _install(stack: Stack, parts: Path) -> None:
    # The CRD of ApplicationSets is too large for the annotation that a client-side apply writes.
    stack.kubectl("apply", "--server-side", "-k", str(parts / "crds"))
    if not wait_until(lambda: _are_established(stack), ESTABLISHED_SECONDS):
        raise LabError(f"Argo CD's kinds are not served after {ESTABLISHED_SECONDS} s.")
    stack.kubectl("create", "namespace", NAMESPACE)
    stack.kubectl("apply", "-f", "-", stdin=_BASICS)


def _are_established(stack: Stack) -> bool:
    """Whether the API server serves every kind; controllers that start earlier check again only after ten seconds."""
    conditions = [(item.get("status") or {}).get("conditions") or [] for item in stack.document("crd")["items"]]
    return all(any((c["type"], c["status"]) == ("Established", "True") for c in found) for found in conditions)


def _programs(redis: Path, parts: Path, folder: Path, stack: Stack) -> tuple[Program, ...]:
    redis_port, repo, repo_metrics, controller, sets, probe, webhook = free_ports(7)
    environment = _environment(parts, folder, stack)
    cache = {"redis": f"{HOST}:{redis_port}"}
    logs = {"logformat": "text", "loglevel": "info"}
    cluster = {"kubeconfig": str(stack.plane.kubeconfig), "namespace": NAMESPACE, "repo-server-plaintext": "true"}

    def program(name: str, ready: str, after: str, **options: str) -> Program:
        flags = (f"--{option.replace('_', '-')}={value}" for option, value in {**logs, **options}.items())
        own = {**environment, "ARGOCD_BINARY_NAME": name}
        return Program(name, (str(parts / "argocd"), *flags), f"http://{HOST}:{ready}", after=(after,), environment=own)

    return (
        Program("redis", _redis(redis, redis_port, folder), after=()),
        program(
            "argocd-repo-server", f"{repo_metrics}/metrics", "redis",
            address=HOST, port=str(repo), metrics_address=HOST, metrics_port=str(repo_metrics), disable_tls="true",
            client_ca_path="", revision_cache_expiration="1s", **cache,
        ),
        program(
            "argocd-application-controller", f"{controller}/healthz", "argocd-repo-server",
            repo_server=f"{HOST}:{repo}", metrics_port=str(controller), app_resync="3600", app_resync_jitter="0",
            persist_resource_health="true", **cache, **cluster,
        ),
        program(
            "argocd-applicationset-controller", f"{sets}/metrics", "argocd-repo-server",
            argocd_repo_server=f"{HOST}:{repo}", metrics_addr=f"{HOST}:{sets}", probe_addr=f"{HOST}:{probe}",
            webhook_addr=f"{HOST}:{webhook}", **cluster,
        ),
    )  # fmt: skip


def _redis(program: Path, port: int, folder: Path) -> tuple[str, ...]:
    return (str(program), "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", str(folder))


def _environment(parts: Path, folder: Path, stack: Stack) -> dict[str, str]:
    """Everything that Argo CD writes is below the folder; everything it runs is on PATH."""
    programs, temporary = folder / "programs", folder / "temporary"
    for place in (programs, temporary):
        place.mkdir(parents=True)
    shutil.copy2(parts / "git-verify-wrapper.sh", programs)
    _kustomize(programs / "kustomize", stack)
    return {
        "HOME": str(folder),
        "KUBECONFIG": str(stack.plane.kubeconfig),
        "PATH": os.pathsep.join((str(programs), os.environ.get("PATH", ""))),
        "TMPDIR": str(temporary),
        "ARGOCD_ASK_PASS_SOCK": str(folder / "ask-pass.sock"),
        # Applications reach the cluster of KUBECONFIG as https://kubernetes.default.svc.
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_GPG_ENABLED": "false",
    }


def _kustomize(path: Path, stack: Stack) -> None:
    """Argo CD calls kustomize by that name; kubectl contains it."""
    kubectl = shlex.quote(str(stack.kubectl_binary))
    answer = subprocess.run(
        [str(stack.kubectl_binary), "version", "--client"], capture_output=True, text=True, check=True
    )
    version = answer.stdout.split("Kustomize Version:")[1].split()[0]
    path.write_text(
        f'#!/bin/sh\ncase "$1" in version) echo {version};; build) shift; exec {kubectl} kustomize "$@";; *) exit 2;; esac\n'
    )
    path.chmod(0o755)

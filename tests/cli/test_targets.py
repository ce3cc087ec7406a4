"""The objects that a command selects, and interrupting a wait for AWS."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.cli.test_files import CONFIG

from dynconfig.cli.failures import Failed
from dynconfig.cli.targets import select_targets
from dynconfig.kube.responses import NoCluster

CONTEXT = {"cluster": "c", "user": "u", "namespace": "shop"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "myapp.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A context with namespace shop; its cluster is unreachable."""
    path = tmp_path / "kubeconfig"
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "x", "context": CONTEXT}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def namespace_of(manifest: Path, namespace: str | None = None, *, offline: bool = False) -> str:
    (document,) = select_targets([manifest], None, namespace, offline=offline).manifests.configs
    return str(document["metadata"]["namespace"])


@pytest.mark.usefixtures("kubeconfig")
def test_objects_without_a_namespace_use_that_of_the_context_as_with_kubectl(manifest: Path) -> None:
    assert namespace_of(manifest) == "shop"
    assert namespace_of(manifest, "cart") == "cart"
    assert namespace_of(manifest, offline=True) == "default"


def test_objects_without_a_namespace_use_default_without_a_cluster(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    assert namespace_of(manifest) == "default"


def test_kubeconfig_without_a_context_is_reported_with_what_works_without_it(manifest: Path, kubeconfig: Path) -> None:
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
    with pytest.raises(Failed, match=r"no Kubernetes cluster: .*; use --offline"):
        namespace_of(manifest)


@pytest.mark.parametrize("namespace", [None, "shop"])
def test_kubeconfig_that_does_not_exist_is_reported_instead_of_ignored(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, namespace: str | None
) -> None:
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(tmp_path / name) for name in ("one", "two")))
    with pytest.raises(Failed, match=r"two not found; set KUBECONFIG to a kubeconfig file; use --offline"):
        select_targets([manifest], None, namespace, offline=False).plans()
    with pytest.raises(NoCluster, match=r"two not found; set KUBECONFIG to a kubeconfig file"):
        select_targets(None, None, namespace, offline=False)
    assert namespace_of(manifest, offline=True) == "default"


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_waiting_for_aws_can_be_interrupted(manifest: Path, command: str) -> None:
    manifest.write_text(CONFIG.replace("path: /myapp", "path: /myapp, parameters: [{name: a, value: b}]"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        arguments = (sys.executable, "-m", "dynconfig", command, "-f", str(manifest), "--offline")
        process = subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE)
        # An observation is in progress without a response.
        with process, silent.accept()[0]:
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, stderr_bytes = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr_bytes == b""
    assert time.monotonic() - began < 10

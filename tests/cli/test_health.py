"""The operator's health endpoint, and the probes of its pod."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dynconfig_lab.ports import free_ports

DEPLOYMENT = Path(__file__).parents[2] / "manifests" / "install" / "deployment.yaml"


def test_operator_without_cluster_is_not_ready(tmp_path: Path) -> None:
    free, health = free_ports(2)
    cluster = {"clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{free}"}}], "current-context": "c"}
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(yaml.safe_dump({**cluster, "contexts": [{"name": "c", "context": {"cluster": "c"}}]}))
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "AWS_REGION": "eu-west-1"}
    command = (sys.executable, "-m", "dynconfig", "run")
    settings = {**environment, "DYNCONFIG_HEALTH_PORT": str(health), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            expected = "Waiting to start: the Kubernetes API server is unavailable: "
            assert any(expected in line for line in process.stderr)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", health)).close()
        finally:
            process.kill()


def test_pod_probes_match_the_operator_endpoints() -> None:
    (container,) = yaml.safe_load(DEPLOYMENT.read_text())["spec"]["template"]["spec"]["containers"]
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    assert ready["httpGet"] == alive["httpGet"] == {"path": "/healthz", "port": "health"}
    # With a thread for each object the event loop gets little CPU time, and one second is too short.
    assert ready["timeoutSeconds"] == alive["timeoutSeconds"] == 10

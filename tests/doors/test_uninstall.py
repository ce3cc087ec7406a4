"""`dynconfig uninstall` does nothing that was not asked for; what it does is tested in a cluster, in tests/upgrade."""

from pathlib import Path
from typing import Any

import pytest
from tests.doors.scene import Scene
from tests.doors.shell import dynconfig
from tests.kube.api import Answer, api, listed

from dynconfig.uninstalling import next_commands


def test_it_wants_to_be_told_that_aws_is_kept() -> None:
    result = dynconfig("uninstall", "--yes")
    assert (result.code, result.out) == (1, "")
    assert "--keep-aws" in result.err
    assert "kubectl delete dcfg" in result.err


def test_without_a_cluster_it_says_so() -> None:
    result = dynconfig("uninstall", "--keep-aws", "--yes", AWS_REGION="eu-west-1")
    assert result.code == 1
    assert "no Kubernetes cluster" in result.err


def test_the_definition_is_deleted_only_after_that_was_allowed() -> None:
    commands = next_commands()
    allowed = next(index for index, text in enumerate(commands) if "dynconfig.dev/allow-deletion=true" in text)
    deleted = [index for index, text in enumerate(commands) if "delete -k" in text]
    assert deleted
    assert all(index > allowed for index in deleted)


@pytest.mark.lab
@pytest.mark.parametrize("is_installed", [True, False])
def test_an_operator_that_has_no_deployment_is_not_said_to_be_stopped(
    scene: Scene, tmp_path: Path, *, is_installed: bool
) -> None:
    deployment: dict[str, Any] = {"metadata": {"namespace": "ops", "name": "dynconfig"}, "spec": {"replicas": 0}}

    def answer(path: str) -> Answer:
        if path.endswith("/namespaces/kube-system"):
            return 200, b'{"metadata": {"uid": "cluster-uid"}}'
        return listed(*([deployment] if "/deployments" in path and is_installed else []))

    with api(answer) as server:
        result = scene.dynconfig("uninstall", "--keep-aws", "--yes", KUBECONFIG=str(server.kubeconfig(tmp_path)))
    assert result.code == 0, result.text
    assert ("the operator is stopped" in result.out) == is_installed
    assert ("Everything is released." in result.out) == is_installed
    assert ("No Deployment of the operator was found" in result.out) != is_installed

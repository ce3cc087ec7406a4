"""`dynconfig uninstall` requires explicit flags; its effect is tested in a cluster, in tests/upgrade."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.cli_harness import CliHarness
from tests.cli.shell import dynconfig
from tests.kube.api import Answer, api, listed, status

from dynconfig.api import names
from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.uninstalling import Uninstaller, next_commands
from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Place
from dynconfig.model.key import Key
from dynconfig.model.plan import AnyKind
from dynconfig.settings import Settings

REGION = "eu-west-1"


def test_keep_aws_flag_is_required() -> None:
    result = dynconfig("uninstall", "--yes")
    assert (result.code, result.out) == (1, "")
    assert "--keep-aws" in result.err
    assert "kubectl delete dcfg" in result.err


def test_missing_cluster_is_reported() -> None:
    result = dynconfig("uninstall", "--keep-aws", "--yes", AWS_REGION="eu-west-1")
    assert result.code == 1
    assert "no Kubernetes cluster" in result.err


def test_next_commands_allow_the_deletion_of_the_crd_first() -> None:
    commands = next_commands()
    allowed = next(index for index, text in enumerate(commands) if "dynconfig.dev/allow-deletion=true" in text)
    assert {"dynamicconfigs.dynconfig.dev", "awstargets.dynconfig.dev"} <= set(commands[allowed].split())
    deleted = [index for index, text in enumerate(commands) if "delete -k" in text]
    assert deleted
    assert all(index > allowed for index in deleted)


@pytest.mark.lab
def test_object_in_a_target_is_named_with_what_to_do(harness: CliHarness, tmp_path: Path) -> None:
    metadata = {"namespace": "shop", "name": "intarget", "uid": "u", "finalizers": ["dynconfig.dev/aws-resources"]}
    document = {"metadata": metadata, "spec": {"path": "/shop", "target": "prod-eu"}}

    def answer(path: str) -> Answer:
        if path.endswith("/namespaces/kube-system"):
            return 200, b'{"metadata": {"uid": "cluster-uid"}}'
        if path.endswith("/awstargets/prod-eu"):
            return status(404, "not found", name="prod-eu")
        return listed(*([document] if "/dynamicconfigs" in path else []))

    with api(answer) as server:
        result = harness.dynconfig("uninstall", "--keep-aws", "--yes", KUBECONFIG=str(server.kubeconfig(tmp_path)))
    assert result.code == 1
    assert "shop/intarget: AWSTarget prod-eu does not exist" in result.err
    assert "`dynconfig abandon -n shop intarget`" in result.err


@pytest.mark.lab
@pytest.mark.parametrize("is_installed", [True, False])
def test_operator_without_deployment_is_not_reported_as_stopped(
    harness: CliHarness, tmp_path: Path, *, is_installed: bool
) -> None:
    deployment: dict[str, Any] = {"metadata": {"namespace": "ops", "name": "dynconfig"}, "spec": {"replicas": 0}}

    def answer(path: str) -> Answer:
        if path.endswith("/namespaces/kube-system"):
            return 200, b'{"metadata": {"uid": "cluster-uid"}}'
        return listed(*([deployment] if "/deployments" in path and is_installed else []))

    with api(answer) as server:
        result = harness.dynconfig("uninstall", "--keep-aws", "--yes", KUBECONFIG=str(server.kubeconfig(tmp_path)))
    assert result.code == 0, result.text
    assert ("the operator is stopped" in result.out) == is_installed
    assert ("To remove the operator and the CRD:" in result.out) == is_installed
    assert ("No Deployment of the operator was found" in result.out) != is_installed


@pytest.mark.lab
def test_targets_whose_role_may_not_be_assumed_are_named(harness: CliHarness, tmp_path: Path) -> None:
    assumed = {"roleArn": "arn:aws:iam::210987654321:role/missing"}
    spec = {"region": "eu-west-1", "account": "210987654321", "assumeRole": assumed}

    def answer(path: str) -> Answer:
        if path.endswith("/namespaces/kube-system"):
            return 200, b'{"metadata": {"uid": "cluster-uid"}}'
        return listed(*([{"metadata": {"name": "prod", "uid": "t"}, "spec": spec}] if "/awstargets" in path else []))

    with api(answer) as server:
        result = harness.dynconfig("uninstall", "--keep-aws", "--yes", KUBECONFIG=str(server.kubeconfig(tmp_path)))
    assert result.code == 0, result.text
    assert "AWSTarget prod: not searched: " in result.out
    assert "Delete queues and rules with the tag dynconfig.dev/cluster=cluster-uid there" in result.out.replace(
        "\n", " "
    )


class FakeWriter:
    """A cluster with one object that records its writes."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.calls: list[str] = []

    def cluster_id(self) -> str:
        """The objects of the cluster."""
        return "cluster"

    def objects(self, _namespace: str | None) -> tuple[list[dict[str, Any]], str]:
        """The only object."""
        return [self.document], "1"

    def abandon(self, _key: Key) -> None:
        """Record it."""
        self.calls.append("abandon")

    def delete(self, _key: Key, _uid: str) -> None:
        """Record it."""
        self.calls.append("delete")

    def object(self, _key: Key) -> dict[str, Any]:
        """It exists until it is released."""
        return self.document

    def release(self, _key: Key, _uid: str) -> None:
        """Record it."""
        self.calls.append("release")


def test_object_never_accepted_is_released_without_aws_calls() -> None:
    metadata = {"namespace": "shop", "name": "far", "uid": "uid-1"}
    writer = FakeWriter({"metadata": metadata, "spec": {"path": "/far", "region": "eu-west-9"}})

    def kinds(place: Place) -> Sequence[AnyKind]:
        raise AssertionError(f"{place} is searched for kinds")

    accounts = Accounts(Settings(), ClusterTargets())
    work = Uninstaller(Settings(), writer, Engine(kinds), REGION, accounts)  # type: ignore[arg-type]  # a fake cluster
    (removal,) = work.objects()
    assert removal.owned == ()
    work.release(work.mark(removal))
    assert writer.calls == ["abandon", "delete", "release"]


@pytest.mark.parametrize("times", [1, 2], ids=["once", "again after a failure"])
def test_reports_of_each_form_of_a_resource_are_merged(times: int) -> None:
    attached = {
        "layer": "arn:aws:lambda:eu-west-1:1:layer:x:1",
        "role": "app",
        "variables": [{"name": "A", "digest": "d"}],
    }
    resources = [
        {"kind": "Attachment", "name": "app", "arn": "arn:aws:lambda:eu-west-1:1:function:app", "attached": attached},
        {
            "kind": "Dashboard",
            "name": "dynconfig-shop-app",
            "arn": "arn:aws:cloudwatch::1:dashboard/dynconfig-shop-app",
        },
    ]
    metadata = {"namespace": "shop", "name": "app", "uid": "uid-1", "finalizers": [names.FINALIZER]}
    status = {
        "observedGeneration": 1,
        "lastObservedTime": "2027-01-15T08:00:00Z",
        "region": REGION,
        "resources": resources,
    }
    spec = {"path": "/app", "function": {"mode": "Attach", "name": "app"}}
    writer = FakeWriter({"metadata": metadata, "spec": spec, "status": status})
    work = Uninstaller(Settings(), writer, Engine(lambda _place: ()), REGION, Accounts(Settings(), ClusterTargets()))  # type: ignore[arg-type]
    for _ in range(times):
        (removal,) = work.objects()
        marked = work.mark(removal)
    applied = marked.declaration.applied
    assert applied is not None
    assert [(item.kind, item.attached is not None) for item in applied.resources] == [
        ("Attachment", True),
        ("Dashboard", False),
    ]

"""`dynconfig uninstall --keep-aws` releases an attachment once, and does not take its additions for ownership."""

from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness
from tests.kinds.cases.attachment import ATTACHMENT, prepare, spec, state

from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.uninstalling import Uninstaller
from dynconfig.engine.reconcile import Engine
from dynconfig.model.key import Key
from dynconfig.settings import Settings

pytestmark = pytest.mark.lab


class Cluster:
    """A cluster with one object and no operator."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.documents = [document]

    def objects(self, _namespace: str | None) -> tuple[list[dict[str, Any]], str]:
        """Return the object until it is released."""
        return self.documents, ""

    def object(self, _key: Key) -> dict[str, Any] | None:
        """Return the object until it is released."""
        return next(iter(self.documents), None)

    def operators(self) -> list[dict[str, Any]]:
        """There is no Deployment."""
        return []

    def release(self, _key: Key, _uid: str) -> None:
        """Remove the finalizer of the deleted object."""
        self.documents = []


def test_released_attachment_is_not_owned(harness: AwsHarness) -> None:
    prepare(harness)
    outcome = harness.settle(harness.declare(spec()), ATTACHMENT.kinds(harness))
    owner = harness.owner()
    metadata = {
        "namespace": owner.namespace,
        "name": owner.name,
        "uid": owner.uid,
        "finalizers": ["dynconfig.dev/aws-resources"],
    }
    document = {
        "metadata": metadata,
        "spec": {"path": harness.path, **spec()},
        "status": harness.status(outcome),
    }
    engine = Engine(lambda _place: ATTACHMENT.kinds(harness))
    settings = Settings(cluster_id=owner.cluster)
    accounts = Accounts(settings, ClusterTargets())
    work = Uninstaller(settings, Cluster(document), engine, REGION, accounts)  # type: ignore[arg-type]  # a fake cluster
    (removal,) = work.objects()
    assert [resource.title for resource in removal.owned if "Attachment" in resource.title]
    work.release(removal)
    variables = state(harness)["variables"]
    calls = harness.calls(lambda: work.check([removal]))
    assert "lambda.UntagResource" not in calls
    assert state(harness)["variables"] == variables

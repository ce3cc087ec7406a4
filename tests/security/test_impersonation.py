"""An impersonating kubeconfig has the permissions of the other user, at a real API server and for both clients."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.upgrade.cluster import CRD, Cluster

from dynconfig.kube import responses
from dynconfig.kube.client import Kube
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiRefused
from dynconfig.model.key import Key

pytestmark = [pytest.mark.e2e, pytest.mark.tools, pytest.mark.timeout(300)]

EXTRA = {"acme.com/project": ["some"], "scopes": ["view", "edit"]}


def read() -> object:
    reader = Reader.from_environment()
    try:
        return reader.object(Key("default", "absent"))
    finally:
        reader.close()


def serve() -> object:
    async def act() -> object:
        kube = Kube(responses.config())
        try:
            return await kube.object(Key("default", "absent"))
        finally:
            await kube.close()

    return asyncio.run(act())


@pytest.mark.parametrize("client", [read, serve])
def test_impersonating_user_has_only_the_permissions_of_the_other(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Callable[[], object]
) -> None:
    cluster.kubectl("apply", "-f", str(CRD))
    cluster.wait_served()
    # The control plane is shared by all tests of this run.
    group = f"readers-{client.__name__}"
    cluster.kubectl("create", "clusterrole", group, "--verb=get", "--resource=dynamicconfigs.dynconfig.dev")
    cluster.kubectl("create", "clusterrolebinding", group, f"--clusterrole={group}", f"--group={group}")

    def act_as(**user: object) -> None:
        document = yaml.safe_load(cluster.kubeconfig.read_text())
        for item in document["users"]:
            item["user"] |= user
        file = tmp_path / "kubeconfig"
        file.write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", str(file))

    act_as()
    assert client() is None
    act_as(**{"as": "jane", "as-uid": "1", "as-user-extra": EXTRA, "as-groups": ["others"]})
    with pytest.raises(ApiRefused, match='User "jane" cannot get'):
        client()
    act_as(**{"as": "jane", "as-uid": "1", "as-user-extra": EXTRA, "as-groups": ["others", group]})
    assert client() is None

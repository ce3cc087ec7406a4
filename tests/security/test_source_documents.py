"""Secrets and ConfigMaps that are small in storage and large or unusual when read, from the real API server."""

import asyncio
import json

import pytest
from tests.upgrade.cluster import Cluster

from dynconfig.kube.client import Kube
from dynconfig.kube.responses import UNREADABLE, source_text
from dynconfig.kube.watch import LINE_BYTES
from dynconfig.model.declaration import Source

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Almost the maximum of etcd. The API server's JSON has six bytes for each of these characters.
NAME = "<" * 1_550_000
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": NAME, "uid": "00000000-0000-4000-8000-000000000001"}


@pytest.fixture
def environment(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    return cluster


def created(cluster: Cluster, kind: str, name: str, **content: object) -> None:
    about = {"name": name, "namespace": "default"}
    document = {"apiVersion": "v1", "kind": kind, "metadata": about, **content}
    if "ownerReferences" in content:
        document["metadata"] = {**about, "ownerReferences": document.pop("ownerReferences")}
    # kubectl would also write six bytes for each <, which exceeds the API server's limit for one request.
    path = f"/api/v1/namespaces/default/{kind.lower()}s"
    cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(document))


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_longest_metadata_is_listed_and_watched(environment: Cluster, kind: str) -> None:
    """Nine MiB, and the following event in the same watch."""
    plural = kind.lower() + "s"

    async def act() -> tuple[list[tuple[str, str]], list[str]]:
        kube = Kube.from_environment()
        try:
            async with kube.metadata_pages(kind, "default") as pages:
                (version,) = [page["metadata"]["resourceVersion"] async for page in pages]
            created(environment, kind, "longest", ownerReferences=[OWNER])
            created(environment, kind, "next")
            seen = list[tuple[str, str]]()
            async with asyncio.timeout(60):
                async for event, document in kube.watch_metadata(kind, "default", version).changes():
                    seen.append((event, document["metadata"]["name"] if event != UNREADABLE else ""))
                    if seen[-1][1] == "next":
                        break
            async with kube.metadata_pages(kind, "default") as pages:
                listed = [item["metadata"]["name"] async for page in pages async for item in page["items"]]
            return seen, listed
        finally:
            await kube.close()

    seen, listed = asyncio.run(act())
    try:
        length = len(environment.kubectl("get", "--raw", f"/api/v1/namespaces/default/{plural}/longest"))
        assert 8 * 2**20 < length < LINE_BYTES
        assert seen == [("ADDED", "longest"), ("ADDED", "next")]
        assert {"longest", "next"} <= set(listed)
    finally:
        environment.kubectl("delete", plural, "longest", "next", "-n", "default", "--wait=false")


@pytest.mark.parametrize(("kind", "padding"), [(k, p) for k in ("Secret", "ConfigMap") for p in (0, 30_000)])
def test_null_is_an_empty_string(environment: Cluster, kind: str, padding: int) -> None:
    """The API server stores an empty string, so that the operator reads only strings."""
    created(environment, kind, "odd", data={"k": None, "other": "QUJD", "padding": "QUJD" * (padding // 4)})
    source = Source(kind, "odd", "k")

    async def act() -> str | None:
        kube = Kube.from_environment()
        try:
            return source_text(source, await kube.source(kind, "default", "odd", ["k"]))
        finally:
            await kube.close()

    try:
        assert asyncio.run(act()) == ""
    finally:
        environment.kubectl("delete", kind.lower(), "odd", "-n", "default", "--wait=false")

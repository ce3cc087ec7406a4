"""The metric of what AWS has of objects that are gone."""

import asyncio

from tests.kube.apiserver import ApiServer, serving
from tests.kube.desk import REGION, configured

from dynconfig.engine.orphans import Orphan, orphans
from dynconfig.engine.resource import Owner
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.orphan_watch import OrphanWatch


def tagged(uid: str, namespace: str = "shop", cluster: str = "cluster") -> tuple[str, str]:
    """An ARN and its owner tag."""
    return f"arn:aws:ssm:{REGION}:123456789012:parameter/{uid}", Owner(cluster, namespace, "myapp", uid).tag


def test_orphans_carry_our_tag_and_the_uid_of_no_object() -> None:
    pairs = [tagged("uid-1"), tagged("gone"), tagged("theirs", cluster="other"), ("arn:x", "terraform")]
    (found,) = orphans(pairs, REGION, "cluster", frozenset({"uid-1"}))
    assert (found.owner.uid, found.region) == ("gone", REGION)


def counted(*namespaces: str) -> tuple[float | None, list[str]]:
    """The metric, and the regions that were looked into, beside an object of another region."""
    server, looked = ApiServer(), list[str]()
    server.put(configured({"a": "1"}, region="us-east-1"))
    metrics = Metrics(lambda: 0.0, lambda: 0.0)

    def find(region: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
        looked.append(region)
        return orphans([tagged("uid-1"), tagged("gone"), tagged("lost", "other")], region, "cluster", uids)

    async def act() -> None:
        async with serving(server.answer) as kube:
            await OrphanWatch(kube, metrics, find, REGION, namespaces).count()

    asyncio.run(act())
    return metrics.registry.get_sample_value("dynconfig_orphans", {"region": REGION}), looked


def test_orphans_are_counted_in_every_region_in_use() -> None:
    assert counted() == (2.0, [REGION, "us-east-1"])


def test_namespaces_that_are_not_served_do_not_count() -> None:
    assert counted("shop")[0] == 1.0

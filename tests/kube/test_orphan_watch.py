"""The metric of orphaned AWS resources."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.kube.controller_harness import REGION, configured

from dynconfig.engine.orphans import Orphan, orphans, region_in_use
from dynconfig.kube.client import Document
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.orphan_watch import Find, OrphanWatch
from dynconfig.model.errors import Unavailable
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.resource import Owner


def tagged(uid: str, namespace: str = "shop", cluster: str = "cluster") -> tuple[str, str]:
    """An ARN and its owner tag."""
    return f"arn:aws:ssm:{REGION}:123456789012:parameter/{uid}", Owner(cluster, namespace, "myapp", uid).tag


def test_orphans_have_an_owner_tag_with_an_unknown_uid() -> None:
    pairs = [tagged("uid-1"), tagged("deleted"), tagged("theirs", cluster="other"), ("arn:x", "terraform")]
    (found,) = orphans(pairs, REGION, "cluster", frozenset({"uid-1"}))
    assert (found.owner.uid, found.region) == ("deleted", REGION)


def watch(documents: Sequence[Document], metrics: Metrics, find: Find, **given: Any) -> OrphanWatch:
    """A watch that may search two regions, where these objects exist."""
    tracker = ObjectTracker(lambda: 0.0, ObjectState(), ObjectState())
    for number, document in enumerate(documents):
        tracker.receive(Key("shop", f"o{number}"), document)
        tracker.record_region(Key("shop", f"o{number}"), region_in_use(document, REGION))
    return OrphanWatch(tracker.existing, metrics, find, REGION, **{"searched": (REGION, "us-east-1"), **given})


def counted(*namespaces: str) -> tuple[float | None, list[str]]:
    """The metric and the searched regions, with an object of another region."""
    searched, metrics = list[str](), Metrics(lambda: 0.0, dict, dict)

    def find(region: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
        searched.append(region)
        return orphans([tagged("uid-1"), tagged("deleted"), tagged("lost", "other")], region, "cluster", uids)

    existing = [configured({"a": "1"}, region="us-east-1")]
    asyncio.run(watch(existing, metrics, find, namespaces=namespaces).count())
    return metrics.registry.get_sample_value("dynconfig_orphans", {"region": REGION}), searched


def test_orphans_are_counted_in_every_region_in_use() -> None:
    assert counted() == (2.0, [REGION, "us-east-1"])


def test_other_namespaces_are_not_counted() -> None:
    assert counted("shop")[0] == 1.0


def test_no_orphans_are_counted_while_objects_are_unknown() -> None:
    def find(_region: str, _uids: frozenset[str]) -> tuple[Orphan, ...]:
        raise AssertionError

    metrics = Metrics(lambda: 0.0, dict, dict)
    asyncio.run(OrphanWatch(lambda: None, metrics, find, REGION, searched=(REGION,)).count())
    assert metrics.registry.get_sample_value("dynconfig_orphans", {"region": REGION}) is None


def test_region_that_is_not_allowed_is_not_searched() -> None:
    existing, searched = [configured({"a": "1"}, region=region) for region in ("eu-west-9", "us-east-1")], list[str]()
    existing.append({**configured({"a": "1"}), "status": {"region": "ap-south-9"}})

    def find(region: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
        searched.append(region)
        return ()

    asyncio.run(watch(existing, Metrics(lambda: 0.0, dict, dict), find).count())
    assert searched == [REGION, "us-east-1"]


def test_failed_region_keeps_its_count_and_others_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    existing, failing = [configured({"a": "1"}, region="us-east-1")], set[str]()
    metrics = Metrics(lambda: 0.0, dict, dict)

    def find(region: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
        if region in failing:
            raise Unavailable("AWS is unavailable")
        lost = [tagged("deleted"), tagged("deleted-too")] if failing else [tagged("deleted")]
        return orphans(lost, region, "cluster", uids)

    async def act() -> None:
        watched = watch(existing, metrics, find)
        await watched.count()
        failing.add(REGION)
        await watched.count()

    asyncio.run(act())
    samples = [
        metrics.registry.get_sample_value("dynconfig_orphans", {"region": region}) for region in (REGION, "us-east-1")
    ]
    assert samples == [1.0, 2.0]
    assert f"Cannot count orphaned AWS resources in {REGION}" in caplog.text

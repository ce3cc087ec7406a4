"""A target that changes while no replica serves its objects: they are reconciled when one does, not at the resync."""

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.kube.apiserver import Document
from tests.kube.controller_harness import KEY, REGION, configured
from tests.kube.test_controller_targets import Harness, in_target, running

from dynconfig.api.target import AWSTargetSpec
from dynconfig.model.fence import Fence

SPEC: dict[str, Any] = {
    "region": REGION,
    "account": "210987654321",
    "allow": [{"namespaces": ["shop"], "paths": ["/app"], "resources": ["parameters"]}],
}
OTHER: dict[str, Any] = {
    "region": "us-east-1",
    "account": "222222222222",
    "assumeRole": {"roleArn": "arn:aws:iam::210987654321:role/other"},
    "kmsKeyId": "alias/other",
    "permissionsBoundary": "arn:aws:iam::210987654321:policy/other",
    "tags": {"team": "other"},
    "quota": {"ssm.Put": 3},
    "allow": [*SPEC["allow"], {"namespaces": ["other"], "paths": ["/other"]}],
}
IGNORED = {"assumeRole", "quota"}
CHANGES = [{"kmsKeyId": OTHER["kmsKeyId"]}, {"tags": OTHER["tags"]}, {"allow": OTHER["allow"]}]


def put(harness: Harness, **more: Any) -> None:
    metadata = {"name": "prod", "uid": "t", "generation": 2 if more else 1}
    harness.targets.put({"metadata": metadata, "spec": {**SPEC, **more}})


def digest_of(**more: Any) -> str:
    return AWSTargetSpec.model_validate({**SPEC, **more}).digest


def test_digest_has_all_fields_but_how_aws_is_called() -> None:
    assert {item.alias or name for name, item in AWSTargetSpec.model_fields.items()} == OTHER.keys()
    changed = {name for name, value in OTHER.items() if digest_of(**{name: value}) != digest_of()}
    assert changed == OTHER.keys() - IGNORED


async def in_sync() -> Document:
    """An object in sync with its target, as it is stored."""
    async with running() as harness:
        put(harness)
        harness.found.applied(in_target())
        await harness.until("InSync")
        return copy.deepcopy(harness.found.server.objects[KEY])


@asynccontextmanager
async def restarted(stored: Document, **more: Any) -> AsyncIterator[Harness]:
    """A new process, whose target has these other fields."""
    async with running() as harness:
        put(harness, **more)
        harness.found.server.put(stored)
        yield harness


async def settled(harness: Harness) -> None:
    """Wait until no reconcile is due or running."""
    while harness.found.controller.waiting() or harness.found.controller._shards.running:
        await asyncio.sleep(0)


def test_object_reports_what_its_target_declared() -> None:
    async def act() -> None:
        assert (await in_sync())["status"]["targetDigest"] == digest_of()

    asyncio.run(act())


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_target_that_changed_while_no_operator_ran_is_noticed_at_the_start(change: dict[str, Any]) -> None:
    async def act() -> None:
        async with restarted(await in_sync(), **change) as harness:
            harness.found.deliver(None, harness.found.server.objects[KEY])
            await harness.found.server.until(lambda: harness.found.status["targetDigest"] == digest_of(**change))

    asyncio.run(act())


@pytest.mark.parametrize("change", [{}, {"quota": OTHER["quota"]}, {"assumeRole": OTHER["assumeRole"]}], ids=str)
def test_object_waits_for_its_resync_if_its_target_declares_the_same(change: dict[str, Any]) -> None:
    async def act() -> None:
        async with restarted(await in_sync(), **change) as harness:
            harness.found.deliver(None, harness.found.server.objects[KEY])
            await settled(harness)
            assert harness.found.fake.calls == []

    asyncio.run(act())


def test_object_whose_target_was_deleted_while_no_operator_ran_says_so_at_the_start() -> None:
    async def act() -> None:
        async with restarted(await in_sync()) as harness:
            harness.targets.remove("prod")
            harness.found.deliver(None, harness.found.server.objects[KEY])
            await harness.until("TargetNotFound")

    asyncio.run(act())


@pytest.mark.parametrize("change", [{}, *CHANGES], ids=str)
def test_target_that_changed_while_another_replica_served_is_noticed_when_the_shard_is_acquired(
    change: dict[str, Any],
) -> None:
    async def act() -> None:
        stored = await in_sync()
        async with restarted(stored) as harness:
            objects = harness.found.controller.objects
            objects.ending(0)
            await objects.lost(0)
            harness.found.deliver(None, stored)
            if change:
                # The other replica ends before its turn to reconcile the object.
                put(harness, **change)
            objects.acquired(Fence(0, lambda: 0.0, 0.0, float("inf")), is_whole=False)
            if change:
                await harness.found.server.until(lambda: harness.found.status["targetDigest"] == digest_of(**change))
            await settled(harness)
            assert bool(harness.found.fake.calls) is bool(change)

    asyncio.run(act())


def test_object_without_a_target_waits_for_its_resync() -> None:
    async def act() -> None:
        async with running() as harness:
            harness.found.applied(configured({"a": "1"}))
            await harness.until("InSync")
            stored = copy.deepcopy(harness.found.server.objects[KEY])
            assert "targetDigest" not in stored["status"]
        async with restarted(stored) as harness:
            harness.found.deliver(None, stored)
            await settled(harness)
            assert harness.found.fake.calls == []

    asyncio.run(act())

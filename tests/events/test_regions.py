"""AWS events are received only from regions where an object is written."""

import asyncio

from tests.kube.controller_harness import GOING, KEY, REGION, configured, running_controller


def test_suspended_object_without_aws_resources_needs_no_queue() -> None:
    async def act() -> None:
        async with running_controller() as found:
            suspended = configured({"a": "1"}, finalizers=[], suspend=True)
            found.applied(suspended)
            await found.server.until(lambda: found.reason == "Suspended")
            found.deliver("MODIFIED", found.server.objects[KEY])
            assert found.listened == []
            resumed = found.server.objects[KEY]
            resumed["spec"]["suspend"] = False
            resumed["metadata"]["generation"] = 2
            found.deliver("MODIFIED", resumed)
            await found.server.until(lambda: found.reason == "InSync")
            assert found.listened == [REGION]
            paused = found.server.objects[KEY]
            paused["spec"]["suspend"] = True
            paused["metadata"]["generation"] = 3
            found.deliver("MODIFIED", paused)
            await found.server.until(lambda: found.reason == "Suspended")
            assert found.left == []

    asyncio.run(act())


def test_region_is_released_with_its_last_object() -> None:
    async def act() -> None:
        async with running_controller() as found:
            first = configured({"a": "1"})
            second = configured({"b": "1"}, uid="uid-2")
            second["metadata"]["name"] = "other"
            for each in (first, second):
                found.applied(each)
            await found.server.until(
                lambda: all("InSync" in str(each.get("status")) for each in found.server.objects.values())
            )
            assert found.listened == [REGION, REGION]
            for each in list(found.server.objects.values()):
                assert found.left == []
                each["metadata"]["deletionTimestamp"] = GOING
                count = len(found.server.objects)
                found.deliver("MODIFIED", each)
                await found.server.until(lambda count=count: len(found.server.objects) < count)  # type: ignore[misc]
            await asyncio.wait_for(_until_released(found.left), 5)
            assert found.left == [REGION]

    asyncio.run(act())


async def _until_released(released: list[str]) -> None:
    while not released:
        await asyncio.sleep(0)

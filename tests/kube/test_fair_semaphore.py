"""Limited work: a namespace with many waiting tasks does not delay the tasks of others."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from dynconfig.kube.fair_semaphore import FairSemaphore

PERMITS = 4


async def settled() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


class Work:
    """Tasks that hold a permit until they are ended; in the order in which they began."""

    def __init__(self) -> None:
        self.semaphore = FairSemaphore(PERMITS)
        self.begun: list[str] = []
        self.in_progress: list[asyncio.Event] = []

    async def do(self, namespace: str) -> None:
        """Hold a permit until `end_first`."""
        async with self.semaphore.permit(namespace):
            self.begun.append(namespace)
            end = asyncio.Event()
            self.in_progress.append(end)
            try:
                await end.wait()
            finally:
                self.in_progress.remove(end)

    def start(self, *namespaces: str) -> list[asyncio.Task[None]]:
        """Start tasks."""
        return [asyncio.create_task(self.do(namespace)) for namespace in namespaces]

    async def end_first(self) -> None:
        """End the task that has a permit for the longest time."""
        self.in_progress[0].set()
        await settled()

    async def end_all(self) -> None:
        """End all tasks."""
        while self.in_progress:
            await self.end_first()


def with_work(act: Callable[[Work], Awaitable[None]]) -> None:
    """Run tasks in an event loop."""

    async def run() -> None:
        await act(Work())

    asyncio.run(run())


def test_namespace_waits_for_at_most_one_task_of_another_after_those_in_progress() -> None:
    async def act(work: Work) -> None:
        tasks = work.start(*["evil"] * 100)
        await settled()
        assert work.begun == ["evil"] * PERMITS
        tasks += work.start("shop")
        await settled()
        ended = 0
        while "shop" not in work.begun:
            await work.end_first()
            ended += 1
        assert ended <= PERMITS
        assert work.begun.index("shop") <= PERMITS + 1
        await work.end_all()
        await asyncio.gather(*tasks)
        assert Counter(work.begun) == {"evil": 100, "shop": 1}

    with_work(act)


def test_namespaces_with_many_tasks_take_turns() -> None:
    async def act(work: Work) -> None:
        tasks = work.start(*["evil"] * 20)
        await settled()
        tasks += work.start(*["shop"] * 5, *["blog"] * 5)
        await settled()
        await work.end_all()
        await asyncio.gather(*tasks)
        assert work.begun[PERMITS : PERMITS + 15] == ["evil", "shop", "blog"] * 5

    with_work(act)


def test_namespace_has_all_permits_while_no_other_waits() -> None:
    async def act(work: Work) -> None:
        tasks = work.start(*["shop"] * (PERMITS + 1))
        await settled()
        assert len(work.in_progress) == PERMITS
        await work.end_all()
        await asyncio.gather(*tasks)

    with_work(act)


async def all_permits_are_free(work: Work) -> bool:
    """Whether as many tasks as ever get a permit at once, and no more."""
    tasks = work.start(*["shop"] * (PERMITS + 1))
    await settled()
    free = len(work.in_progress)
    await work.end_all()
    await asyncio.gather(*tasks)
    return free == PERMITS


def test_cancelled_tasks_leave_no_permit_behind() -> None:
    async def act(work: Work) -> None:
        tasks = work.start(*["evil"] * 10, *["shop"] * 10)
        await settled()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not work.in_progress
        assert await all_permits_are_free(work)

    with_work(act)


@pytest.mark.parametrize("waits", [1, 2])
def test_task_that_is_cancelled_as_its_turn_comes_passes_it_on(waits: int) -> None:
    async def act(work: Work) -> None:
        tasks = work.start(*["evil"] * PERMITS)
        await settled()
        waiting = work.start(*["shop"] * waits)
        await settled()
        # Its turn comes when the permit is released, which is before the task runs again.
        work.in_progress[0].set()
        await asyncio.sleep(0)
        waiting[0].cancel()
        await settled()
        assert waiting[0].cancelled()
        assert work.begun.count("shop") == waits - 1
        await work.end_all()
        await asyncio.gather(*tasks, *waiting, return_exceptions=True)
        assert await all_permits_are_free(work)

    with_work(act)


def test_cancelled_task_does_not_take_the_turn_of_its_namespace() -> None:
    async def act(work: Work) -> None:
        tasks = work.start(*["evil"] * PERMITS)
        await settled()
        cancelled, *others = work.start("shop", "shop", "blog")
        await settled()
        cancelled.cancel()
        # In the same step of the event loop, before the cancelled task runs.
        await work.end_first()
        assert work.begun[PERMITS:] == ["shop"]
        await work.end_all()
        await asyncio.gather(*tasks, *others)
        assert work.begun[PERMITS:] == ["shop", "blog"]

    with_work(act)

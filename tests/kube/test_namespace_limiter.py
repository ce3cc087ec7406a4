"""CPU-bound work: a busy namespace does not block the others."""

import asyncio

from dynconfig.kube.namespace_limiter import NamespaceLimiter


async def do(limiter: NamespaceLimiter, namespace: str, log: list[str], steps: int = 3) -> None:
    """Some work of a namespace."""
    async with limiter.slot(namespace):
        log.append(namespace)
        for _ in range(steps):
            await asyncio.sleep(0)


def test_namespace_waits_for_at_most_one_task_of_another() -> None:
    log: list[str] = []

    async def act() -> None:
        limiter = NamespaceLimiter(limit=1)
        evil = [asyncio.create_task(do(limiter, "evil", log)) for _ in range(50)]
        await asyncio.sleep(0)
        await do(limiter, "shop", log)
        await asyncio.gather(*evil)

    asyncio.run(act())
    assert log.index("shop") <= 2
    assert len(log) == 51


def test_namespace_never_has_two_slots() -> None:
    running, most = 0, 0

    async def one(limiter: NamespaceLimiter) -> None:
        nonlocal running, most
        async with limiter.slot("evil"):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    async def act() -> None:
        limiter = NamespaceLimiter(limit=2)
        await asyncio.gather(*(one(limiter) for _ in range(9)))

    asyncio.run(act())
    assert most == 1


def test_cancelled_wait_frees_its_slot() -> None:
    log: list[str] = []

    async def act() -> None:
        limiter = NamespaceLimiter(limit=1)
        first, second = (asyncio.create_task(do(limiter, "evil", log)) for _ in range(2))
        third = asyncio.create_task(do(limiter, "shop", log))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        await asyncio.wait_for(do(limiter, "evil", log), 5)

    asyncio.run(act())
    assert log == ["evil", "shop", "evil"]

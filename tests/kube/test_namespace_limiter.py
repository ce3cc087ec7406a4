"""CPU-bound work: a busy namespace does not block the others."""

import asyncio

import pytest

from dynconfig.kube.namespace_limiter import FEW, HALF_LIFE, HEAVY_SECONDS, NamespaceLimiter


async def do(limiter: NamespaceLimiter, namespace: str, log: list[str], steps: int = 3) -> None:
    """Some work of a namespace."""
    async with limiter.permit(namespace):
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
        async with limiter.permit("evil"):
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


class Clock:
    """Time that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def used(limiter: NamespaceLimiter, clock: Clock, namespace: str, seconds: float) -> None:
    """Work of a namespace that takes this time."""
    async with limiter.permit(namespace):
        clock.now += seconds


@pytest.mark.parametrize(("seconds", "waits"), [(2 * HEAVY_SECONDS, True), (HEAVY_SECONDS / 2, False)])
def test_busy_namespaces_together_leave_one_slot_to_the_others(seconds: float, waits: bool) -> None:
    """One tenant may have several namespaces."""

    async def act() -> None:
        clock = Clock()
        limiter = NamespaceLimiter(limit=2, clock=clock)
        for namespace in ("evil-a", "evil-b"):
            await used(limiter, clock, namespace, seconds)
        first, second = limiter.permit("evil-a"), limiter.permit("evil-b")
        await first.__aenter__()
        waiting = asyncio.create_task(second.__aenter__())
        await asyncio.sleep(0)
        assert waiting.done() is not waits
        if waits:
            await asyncio.wait_for(used(limiter, clock, "shop", 0.1), 5)
            assert not waiting.done()
        await first.__aexit__(None, None, None)
        await asyncio.wait_for(waiting, 5)
        await second.__aexit__(None, None, None)

    asyncio.run(act())


def test_busy_namespaces_take_turns_and_are_ordinary_again_later() -> None:
    async def act() -> None:
        clock = Clock()
        limiter = NamespaceLimiter(limit=2, clock=clock)
        log: list[str] = []
        for namespace in ("a", "b"):
            await used(limiter, clock, namespace, 2 * HEAVY_SECONDS)
        tasks = [asyncio.create_task(do(limiter, namespace, log)) for namespace in "aaaaab"]
        await asyncio.gather(*tasks)
        assert log.index("b") <= 2
        clock.now += 10 * HALF_LIFE
        async with asyncio.timeout(5), limiter.permit("a"), limiter.permit("b"):
            pass

    asyncio.run(act())


def test_namespaces_of_the_past_are_forgotten() -> None:
    async def act() -> int:
        clock = Clock()
        limiter = NamespaceLimiter(clock=clock)
        for number in range(3 * FEW):
            await used(limiter, clock, str(number), 0.01)
        return len(limiter._used)

    assert asyncio.run(act()) <= FEW + 2

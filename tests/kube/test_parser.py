"""Parsing: large documents of one namespace do not delay those of others."""

import asyncio
import threading

from dynconfig.kube.parser import PARSED_AT_ONCE, Parser
from dynconfig.kube.responses import object_path, objects_path, sources_path
from dynconfig.model.key import Key

LARGE = PARSED_AT_ONCE + 1
PATIENCE = 60.0


def test_small_documents_are_parsed_at_once_and_large_ones_in_a_thread() -> None:
    async def act() -> list[bool]:
        parser = Parser()
        try:
            threads = [await parser.parsed("/api", threading.current_thread, size) for size in (LARGE - 1, LARGE)]
            return [thread is threading.current_thread() for thread in threads]
        finally:
            parser.close()

    assert asyncio.run(act()) == [True, False]


def test_namespace_waits_for_at_most_one_large_document_of_another() -> None:
    parsed: list[str] = []

    async def act() -> None:
        parser, may_begin = Parser(), threading.Event()

        def parse(text: str) -> None:
            assert may_begin.wait(PATIENCE)
            parsed.append(text)

        def started(path: str, text: str) -> asyncio.Task[None]:
            return asyncio.create_task(parser.parsed(path, lambda: parse(text), LARGE))

        try:
            evil = [started(object_path(Key("evil", str(number))), "evil") for number in range(20)]
            others = [
                started(sources_path("Secret", "shop"), "shop"),
                started(objects_path(None), "watch"),
            ]
            # Each takes its place in its first step.
            await asyncio.sleep(0)
            may_begin.set()
            await asyncio.gather(*evil, *others)
        finally:
            parser.close()

    asyncio.run(act())
    # One is in progress; then each of the three has a turn.
    assert sorted(parsed[1:4]) == ["evil", "shop", "watch"]
    assert parsed.count("evil") == 20

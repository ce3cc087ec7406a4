"""A parameter moves between two objects while a reader polls it: it is never absent, and does not change."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from benchmarks import load
from benchmarks.figures import Figure

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

MOVES = 10
POLL_SECONDS = 0.002
PATH = "/moved"
NAME = f"{PATH}/moving"
OBJECTS = ("left", "right")


@dataclass
class Reader:
    """The results of a polling reader."""

    reads: int = 0
    missing: list[float] = field(default_factory=list)
    """When it was not there."""
    versions: set[int] = field(default_factory=set)

    def longest(self) -> float:
        """Seconds from the first failed read to the last one of a series."""
        longest = began = last = 0.0
        for at in self.missing:
            began = began if last and at - last < 50 * POLL_SECONDS else at
            last = at
            longest = max(longest, at - began + POLL_SECONDS)
        return longest


def move(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """There and back, with the old object edited first and the new one first, alternately."""
    _create(http, OBJECTS[0], ("stays", "moving"))
    _create(http, OBJECTS[1], ("stays-too",))
    _until(http, stack, OBJECTS[0])
    with _reading(stack) as reader:
        for number in range(MOVES):
            source, target = OBJECTS if number % 2 == 0 else OBJECTS[::-1]
            edits = [(source, ()), (target, ("moving",))]
            for name, more in edits if number % 4 < 2 else edits[::-1]:
                _edit(http, name, more)
            _until(http, stack, target)
    beside = f"{MOVES} moves, the old object first in half of them; {reader.reads} reads"
    yield Figure("Longest time that a parameter is missing while it moves", reader.longest(), 0, "s", beside)
    versions = ", ".join(map(str, sorted(reader.versions)))
    yield Figure("Versions made by moves", len(reader.versions) - 1, 0, "", f"versions that were read: {versions}")


@contextmanager
def _reading(stack: Stack) -> Iterator[Reader]:
    reader, ended, ssm = Reader(), threading.Event(), stack.aws("ssm")

    def read() -> None:
        while not ended.wait(POLL_SECONDS):
            found = ssm.get_parameters(Names=[NAME])["Parameters"]
            reader.reads += 1
            if found:
                reader.versions.add(found[0]["Version"])
            else:
                reader.missing.append(time.monotonic())

    thread = threading.Thread(target=read, name="reader")
    thread.start()
    try:
        yield reader
    finally:
        ended.set()
        thread.join()


def _create(http: httpx2.Client, name: str, parameters: Sequence[str]) -> None:
    document = load.document(name)
    document["spec"] = {"path": PATH, "parameters": _listed(parameters), "adoptionPolicy": "IfUnowned"}
    http.post(load.OBJECTS, json=document).raise_for_status()


def _edit(http: httpx2.Client, name: str, more: Sequence[str]) -> None:
    own = "stays" if name == OBJECTS[0] else "stays-too"
    load.edit(http, name, {"spec": {"parameters": _listed((own, *more))}})


def _listed(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name, "value": "1"} for name in names]


def _until(http: httpx2.Client, stack: Stack, owner: str) -> None:
    """Wait until the parameter belongs to an object, and both objects are Ready."""
    ssm = stack.aws("ssm")

    def is_over() -> bool:
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=NAME)["TagList"]
        owners = [tag["Value"] for tag in tags if tag["Key"] == "dynconfig.dev/owner"]
        return f"/default/{owner}/" in "".join(owners) and all(map(is_ready, OBJECTS))

    def is_ready(name: str) -> bool:
        found: dict[str, Any] = http.get(f"{load.OBJECTS}/{name}").raise_for_status().json()
        status = found.get("status") or {}
        ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ()))
        return ready and status.get("appliedGeneration") == found["metadata"]["generation"]

    def attempt() -> bool:
        try:
            return is_over()
        except ssm.exceptions.InvalidResourceId:
            # It is absent, which the reader also sees.
            return False

    if not wait_until(attempt, load.PATIENCE):
        raise TimeoutError(f"the parameter does not come to {owner}")

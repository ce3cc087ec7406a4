"""The index of owned parameters: one read for all, or of one owner in a large account."""

import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from dynconfig.aws import tag_index
from dynconfig.aws.tag_index import AlarmTagIndex, ParameterTagIndex
from dynconfig.model.errors import Throttled, Unavailable
from dynconfig.model.resource import Owner

MINE = Owner("cluster", "shop", "myapp", "uid-1")


class Tagging:
    """AWS's response to GetResources as data, and the recorded requests."""

    def __init__(self, tags: dict[str, dict[str, str]], before_name: str = "arn:aws:ssm:eu-west-1:1:parameter") -> None:
        self.tags = tags
        self.before_name = before_name
        self.asked: list[dict[str, Any]] = []
        self.before_answer: Callable[[], object] = lambda: None

    def get_paginator(self, method: str) -> "Tagging":
        assert method == "get_resources"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(request)
        self.before_answer()
        (wanted,) = request["TagFilters"]
        found = [
            {
                "ResourceARN": f"{self.before_name}{name}",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
            for name, tags in self.tags.items()
            if tags.get(wanted["Key"]) in wanted.get("Values", [tags.get(wanted["Key"])])
        ]
        yield {"ResourceTagMappingList": found}


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def owned(count: int, owner: Owner = MINE) -> dict[str, dict[str, str]]:
    return {f"/{owner.name}/{number}": {"dynconfig.dev/owner": owner.tag, "team": "b"} for number in range(count)}


def index(tags: dict[str, dict[str, str]]) -> tuple[ParameterTagIndex, Tagging, Time]:
    tagging, time = Tagging(tags), Time()
    return ParameterTagIndex(tagging, time), tagging, time  # type: ignore[arg-type]


def test_index_has_the_parameters_of_an_owner_with_all_tags() -> None:
    found, _tagging, _time = index(owned(2))
    found.refresh(MINE, bypass_cache=False)
    assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/1")
    assert found.tags("/myapp/0") == (("dynconfig.dev/owner", MINE.tag), ("team", "b"))


def test_other_clusters_are_excluded() -> None:
    other_owner = Owner("elsewhere", "shop", "theirs", "uid-2")
    found, _tagging, _time = index(owned(1) | owned(1, other_owner))
    found.refresh(MINE, bypass_cache=False)
    assert found.tags("/theirs/0") is None


def test_index_is_read_once_for_all_and_again_when_expired() -> None:
    found, tagging, time = index(owned(2))
    for _ in range(5):
        found.refresh(MINE, bypass_cache=False)
    assert len(tagging.asked) == 1
    time.now += tag_index.FRESH_SECONDS + 1
    found.refresh(MINE, bypass_cache=False)
    assert len(tagging.asked) == 2


def test_previous_index_is_used_while_it_is_read_again() -> None:
    found, tagging, time = index(owned(2))
    read_at = found.refresh(MINE, bypass_cache=False)
    time.now += tag_index.FRESH_SECONDS + 1
    during: list[object] = []
    tagging.before_answer = lambda: during.extend((found.refresh(MINE, bypass_cache=False), found.owned(MINE.tag)))
    assert found.refresh(MINE, bypass_cache=False) == time.now
    assert during == [read_at, ("/myapp/0", "/myapp/1")]


def test_index_that_cannot_be_read_again_is_kept() -> None:
    found, tagging, time = index(owned(2))
    found.refresh(MINE, bypass_cache=False)
    time.now += tag_index.FRESH_SECONDS + 1

    def fail() -> None:
        raise Unavailable("AWS is unavailable")

    tagging.before_answer = fail
    for _ in range(2):
        with pytest.raises(Unavailable):
            found.refresh(MINE, bypass_cache=False)
    assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/1")


def test_fresh_read_of_a_small_index_reads_all_and_is_cached_for_seconds() -> None:
    found, tagging, time = index(owned(2))
    found.refresh(MINE, bypass_cache=False)
    time.now += tag_index.CLOSELY_SECONDS + 1
    for _ in range(3):
        assert found.refresh(MINE, bypass_cache=True) == time.now
    assert [request["TagFilters"] for request in tagging.asked] == [[{"Key": "dynconfig.dev/owner"}]] * 2


def test_fresh_read_of_a_large_index_filters_by_owner() -> None:
    other = Owner("cluster", "shop", "other", "uid-3")
    found, tagging, time = index(owned(2) | owned(tag_index.FEW, other))
    found.refresh(MINE, bypass_cache=False)
    time.now += tag_index.CLOSELY_SECONDS + 1
    del tagging.tags["/myapp/1"]
    tagging.tags["/myapp/2"] = {"dynconfig.dev/owner": MINE.tag}
    found.refresh(MINE, bypass_cache=True)
    assert tagging.asked[-1]["TagFilters"] == [{"Key": "dynconfig.dev/owner", "Values": [MINE.tag]}]
    assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/2")
    assert found.tags("/myapp/1") is None
    assert len(found.owned(other.tag)) == tag_index.FEW


def test_alarms_have_their_own_index_by_name() -> None:
    tags = {"dynconfig.dev/owner": MINE.tag}
    tagging = Tagging({"dynconfig-shop-myapp/Errors": tags}, "arn:aws:cloudwatch:eu-west-1:1:alarm:")
    alarms = AlarmTagIndex(tagging, Time())  # type: ignore[arg-type]  # it answers as AWS does
    alarms.refresh(MINE, bypass_cache=False)
    assert alarms.owned(MINE.tag) == ("dynconfig-shop-myapp/Errors",)
    assert alarms.tags("dynconfig-shop-myapp/Errors") == tuple(tags.items())
    assert tagging.asked[0]["ResourceTypeFilters"] == ["cloudwatch:alarm"]


class Parsed(Tagging):
    """Responses with texts of their own, as parsed from JSON."""

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        for page in super().paginate(**request):
            for item in page["ResourceTagMappingList"]:
                yield {"ResourceTagMappingList": [json.loads(json.dumps(item))]}


def test_common_tags_of_many_parameters_are_kept_once() -> None:
    """A tenant may have a thousand parameters with forty long tags in common and one of their own: 15 MB without sharing."""
    common = {f"common-{number}": f"{number:x<256}" for number in range(40)}
    tags = {name: {**common, **mine, "own": name} for name, mine in owned(1000).items()}
    found = ParameterTagIndex(Parsed(tags), Time())  # type: ignore[arg-type]  # it answers as AWS does
    tracemalloc.start()
    try:
        found.refresh(MINE, bypass_cache=False)
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tags("/myapp/7") == tuple(sorted(tags["/myapp/7"].items()))
    assert kept <= 2 * 2**20


OTHER = Owner("cluster", "shop", "other", "uid-3")
ALL = ""
PATIENCE = 60.0


class Held(Tagging):
    """Responses with the state at the time of the request, some of which arrive later."""

    def __init__(self, tags: dict[str, dict[str, str]]) -> None:
        super().__init__(tags)
        self._held: dict[str, tuple[threading.Event, threading.Event, Exception | None]] = {}

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        pages = list(super().paginate(**request))
        begun, may_end, failure = self._held.pop(part(request), (None, None, None))
        if begun is not None and may_end is not None:
            begun.set()
            assert may_end.wait(PATIENCE)
        if failure is not None:
            raise failure
        yield from pages

    @contextmanager
    def during(
        self, wanted: str, read: Callable[[], object], failure: Exception | None = None
    ) -> Iterator[Future[object]]:
        """Run a read in a thread, and the block between its request for an owner, or for all, and the response."""
        begun, may_end, _failure = self._held[wanted] = threading.Event(), threading.Event(), failure
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(read)
            try:
                assert begun.wait(PATIENCE)
                yield reading
            finally:
                may_end.set()


def part(request: dict[str, Any]) -> str:
    """What a request reads: an owner or all."""
    (wanted,) = request["TagFilters"]
    return str(wanted.get("Values", [ALL])[0])


class SharedTime(Time):
    """A clock that signals when a thread reads it: an index does so in the same step in which it finds other reads."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def __call__(self) -> float:
        self.asked.set()
        return super().__call__()


def read_once(tags: dict[str, dict[str, str]], seconds: float) -> tuple[ParameterTagIndex, Held, SharedTime]:
    """An index that was read so many seconds ago."""
    tagging, time = Held(tags), SharedTime()
    found = ParameterTagIndex(tagging, time)  # type: ignore[arg-type]  # it answers as AWS does
    found.refresh(MINE, bypass_cache=False)
    tagging.asked.clear()
    time.now += seconds
    return found, tagging, time


def large() -> dict[str, dict[str, str]]:
    return owned(2) | owned(tag_index.FEW, OTHER)


def change(tagging: Tagging) -> None:
    """Replace a parameter of an owner."""
    del tagging.tags["/myapp/1"]
    tagging.tags["/myapp/2"] = {"dynconfig.dev/owner": MINE.tag}


def waiting(threads: ThreadPoolExecutor, time: SharedTime, read: Callable[[], object]) -> Future[object]:
    """Start a read that waits for that of another thread."""
    time.asked.clear()
    found = threads.submit(read)
    assert time.asked.wait(PATIENCE)
    return found


def test_read_of_one_owner_does_not_delay_another() -> None:
    found, tagging, time = read_once(large(), tag_index.CLOSELY_SECONDS + 1)
    before = time.now - tag_index.CLOSELY_SECONDS - 1
    with tagging.during(OTHER.tag, lambda: found.refresh(OTHER, bypass_cache=True)) as reading:
        change(tagging)
        assert found.refresh(MINE, bypass_cache=False) == before
        assert found.refresh(MINE, bypass_cache=True) == time.now
        assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/2")
        assert not reading.done()
    assert reading.result() == time.now
    assert [part(request) for request in tagging.asked] == [OTHER.tag, MINE.tag]


def test_read_of_a_large_index_is_neither_waited_for_nor_repeated() -> None:
    found, tagging, time = read_once(large(), tag_index.FRESH_SECONDS + 1)
    before = time.now - tag_index.FRESH_SECONDS - 1
    with tagging.during(ALL, lambda: found.refresh(OTHER, bypass_cache=False)) as reading:
        assert found.refresh(MINE, bypass_cache=False) == before
        assert found.refresh(MINE, bypass_cache=True) == time.now
        assert not reading.done()
    assert [part(request) for request in tagging.asked] == [ALL, MINE.tag]


def test_read_of_an_owner_is_not_overwritten_by_a_read_of_all_that_began_earlier() -> None:
    found, tagging, time = read_once(large(), tag_index.FRESH_SECONDS + 1)
    began = time.now
    with tagging.during(ALL, lambda: found.refresh(OTHER, bypass_cache=False)):
        time.now += 1
        change(tagging)
        tagging.tags["/other/0"] = {"dynconfig.dev/owner": MINE.tag}
        found.refresh(MINE, bypass_cache=True)
    assert found.owned(MINE.tag) == ("/myapp/0", "/other/0", "/myapp/2")
    assert found.tags("/myapp/1") is None
    assert found.tags("/other/0") == (("dynconfig.dev/owner", MINE.tag),)
    assert len(found.owned(OTHER.tag)) == tag_index.FEW
    assert found.refresh(OTHER, bypass_cache=False) == began
    assert found.refresh(MINE, bypass_cache=False) == began + 1


def test_read_of_an_owner_is_overwritten_by_a_read_of_all_that_began_later() -> None:
    found, tagging, time = read_once(large(), tag_index.CLOSELY_SECONDS + 1)
    with tagging.during(MINE.tag, lambda: found.refresh(MINE, bypass_cache=True)) as reading:
        time.now += tag_index.FRESH_SECONDS
        change(tagging)
        assert found.refresh(OTHER, bypass_cache=False) == time.now
    assert reading.result() == time.now
    assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/2")
    assert found.tags("/myapp/1") is None
    assert found.tags("/myapp/2") is not None


def test_later_read_of_all_replaces_what_was_read_of_an_owner() -> None:
    found, tagging, time = read_once(large(), tag_index.CLOSELY_SECONDS + 1)
    found.refresh(MINE, bypass_cache=True)
    time.now += tag_index.FRESH_SECONDS
    change(tagging)
    assert found.refresh(OTHER, bypass_cache=False) == time.now
    assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/2")


def test_parameter_taken_over_stays_in_the_index_when_its_former_owner_is_read() -> None:
    found, tagging, _time = read_once(large(), tag_index.CLOSELY_SECONDS + 1)
    tagging.tags["/other/0"] = {"dynconfig.dev/owner": MINE.tag}
    for owner in (MINE, OTHER):
        found.refresh(owner, bypass_cache=True)
    assert found.tags("/other/0") == (("dynconfig.dev/owner", MINE.tag),)
    assert "/other/0" not in found.owned(OTHER.tag)


def test_owner_is_read_once_at_a_time() -> None:
    found, tagging, time = read_once(large(), tag_index.CLOSELY_SECONDS + 1)
    with ThreadPoolExecutor(1) as threads:
        with tagging.during(MINE.tag, lambda: found.refresh(MINE, bypass_cache=True)):
            second = waiting(threads, time, lambda: found.refresh(MINE, bypass_cache=True))
        assert second.result() == time.now
    assert [part(request) for request in tagging.asked] == [MINE.tag]


def test_first_read_is_waited_for() -> None:
    tagging, time = Held(owned(2)), SharedTime()
    found = ParameterTagIndex(tagging, time)  # type: ignore[arg-type]  # it answers as AWS does
    with ThreadPoolExecutor(1) as threads:
        with tagging.during(ALL, lambda: found.refresh(OTHER, bypass_cache=False)):
            second = waiting(threads, time, lambda: found.refresh(MINE, bypass_cache=False))
        assert second.result() == time.now
    assert [part(request) for request in tagging.asked] == [ALL]
    assert found.owned(MINE.tag) == ("/myapp/0", "/myapp/1")


def test_first_read_that_failed_is_repeated_by_one_that_waited() -> None:
    tagging, time = Held(owned(2)), SharedTime()
    found = ParameterTagIndex(tagging, time)  # type: ignore[arg-type]  # it answers as AWS does
    with ThreadPoolExecutor(1) as threads:
        failed = Unavailable("AWS is unavailable")
        with tagging.during(ALL, lambda: found.refresh(OTHER, bypass_cache=False), failed) as reading:
            second = waiting(threads, time, lambda: found.refresh(MINE, bypass_cache=False))
        assert reading.exception() is failed
        assert second.result() == time.now
    assert [part(request) for request in tagging.asked] == [ALL, ALL]


@pytest.mark.parametrize("failed", [None, Throttled("the quota is used up", delay=9.0)])
def test_read_of_a_small_index_is_waited_for_once_by_one_that_bypasses_the_cache(failed: Exception | None) -> None:
    found, tagging, time = read_once(owned(2), tag_index.CLOSELY_SECONDS + 1)
    with ThreadPoolExecutor(1) as threads:
        with tagging.during(ALL, lambda: found.refresh(OTHER, bypass_cache=True), failed) as reading:
            second = waiting(threads, time, lambda: found.refresh(MINE, bypass_cache=True))
        assert reading.exception() is failed
        assert second.result() == time.now
    assert [part(request) for request in tagging.asked] == [ALL, *([MINE.tag] if failed else [])]


def test_previous_index_is_used_for_a_while_if_the_quota_is_used_up() -> None:
    found, tagging, time = read_once(large(), tag_index.FRESH_SECONDS + 1)
    before = time.now - tag_index.FRESH_SECONDS - 1

    def throttle() -> None:
        raise Throttled("the quota is used up", delay=9.0)

    tagging.before_answer = throttle
    assert found.refresh(MINE, bypass_cache=False) == before
    with pytest.raises(Throttled):
        found.refresh(MINE, bypass_cache=True)
    time.now = before + tag_index.THROTTLED_SECONDS + 1
    with pytest.raises(Throttled):
        found.refresh(MINE, bypass_cache=False)

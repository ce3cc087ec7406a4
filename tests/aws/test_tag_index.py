"""The index of owned parameters: one read for all, or of one owner in a large account."""

from collections.abc import Iterator
from typing import Any

from dynconfig.aws import tag_index
from dynconfig.aws.tag_index import AlarmTagIndex, ParameterTagIndex
from dynconfig.model.resource import Owner

MINE = Owner("cluster", "shop", "myapp", "uid-1")


class Tagging:
    """AWS's response to GetResources as data, and the recorded requests."""

    def __init__(self, tags: dict[str, dict[str, str]], before_name: str = "arn:aws:ssm:eu-west-1:1:parameter") -> None:
        self.tags = tags
        self.before_name = before_name
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, method: str) -> "Tagging":
        assert method == "get_resources"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(request)
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

"""The cache of details: how long entries are used, and when they are bypassed."""

from dataclasses import replace

import pytest
from tests.engine.fake_kind import OWNER, Thing

from dynconfig.kinds._shared.detail_cache import TTL_SECONDS, DetailCache
from dynconfig.model.naming import Names
from dynconfig.model.resource import Scope

SCOPE = Scope(OWNER, Names.of(OWNER, "eu-west-1", None, None))
WANTED = [Thing(name="rule")]


class Aws:
    """Counts its reads."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0
        self.cache = DetailCache[int](lambda: self.now)

    def read(self) -> int:
        self.reads += 1
        return self.reads

    def cached(self, scope: Scope = SCOPE, *, is_desired: bool = True, version: object = None) -> int:
        return self.cache.get("rule", scope, WANTED if is_desired else [], self.read, version=version)


def test_entry_is_cached_for_an_hour() -> None:
    aws = Aws()
    assert [aws.cached(), aws.cached()] == [1, 1]
    aws.now = TTL_SECONDS
    assert aws.cached() == 2


@pytest.mark.parametrize(
    "scope",
    [replace(SCOPE, bypass_cache=True), replace(SCOPE, changed=frozenset({"rule"}))],
    ids=["on-request", "after-event"],
)
def test_manual_request_or_event_bypasses_the_cache(scope: Scope) -> None:
    aws = Aws()
    assert [aws.cached(), aws.cached(scope)] == [1, 2]


def test_surplus_resource_bypasses_the_cache() -> None:
    aws = Aws()
    assert [aws.cached(), aws.cached(is_desired=False)] == [1, 2]


def test_own_write_invalidates_the_entry() -> None:
    aws = Aws()
    assert aws.cached() == 1
    aws.cache.forget("rule")
    assert aws.cached() == 2


def test_other_version_invalidates_the_entry() -> None:
    aws = Aws()
    assert [aws.cached(version="first"), aws.cached(version="first"), aws.cached(version="second")] == [1, 1, 2]

"""Values that expire after some seconds, or when their version changes."""

import pytest

from dynconfig.model.ttl_cache import TtlCache

SECONDS = 10.0


class Scene:
    """A cache, and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cache = TtlCache[str, int](SECONDS, lambda: self.now)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(("age", "expected"), [(0.0, 1), (SECONDS - 1, 1), (SECONDS, None)])
def test_value_is_valid_for_its_seconds(scene: Scene, age: float, expected: int | None) -> None:
    scene.cache.put("a", 1)
    scene.now += age
    assert scene.cache.get("a") == expected


def test_put_extends_the_validity_of_its_key_only(scene: Scene) -> None:
    scene.cache.put("a", 1)
    scene.cache.put("b", 2)
    scene.now += SECONDS - 1
    scene.cache.put("a", 3)
    scene.now += 1
    assert (scene.cache.get("a"), scene.cache.get("b")) == (3, None)


@pytest.mark.parametrize(("version", "expected"), [(1, 7), (2, None), (None, None)])
def test_value_is_valid_for_its_version(scene: Scene, version: int | None, expected: int | None) -> None:
    scene.cache.put("a", 7, version=1)
    assert scene.cache.get("a", version=version) == expected
    assert scene.cache.get("a") == 7


def test_forgotten_value_is_not_returned(scene: Scene) -> None:
    scene.cache.put("a", 1)
    scene.cache.put("b", 2)
    scene.cache.forget(["a", "unknown"])
    assert (scene.cache.get("a"), scene.cache.get("b")) == (None, 2)


def test_expired_values_are_removed_from_memory(scene: Scene) -> None:
    for index in range(100):
        scene.cache.put(str(index), index)
        scene.now += 1
    assert len(scene.cache) == SECONDS - 1


def test_without_seconds_values_stay_until_forgotten() -> None:
    cache = TtlCache[str, int]()
    cache.put("a", 1)
    assert cache.get("a") == 1

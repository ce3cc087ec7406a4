"""DescribeParameters has a low quota: a call also reads what other objects wait for."""

import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.kinds.aws_harness import AwsHarness

from dynconfig.kinds.parameter.descriptions import Descriptions
from dynconfig.kinds.parameter.waiting_names import DESCRIBE_BATCH, WAITING_SECONDS
from dynconfig.model.errors import AccessDenied, DynConfigError, Throttled
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.lab


class Ssm:
    """DescribeParameters, which fails on request."""

    def __init__(self, ssm: Any) -> None:
        self._ssm = ssm
        self.error: DynConfigError | None = None
        self.asked: list[list[str]] = []
        self.calls: list[Callable[[], object]] = []
        """What happens in the next calls before they are answered."""

    def get_paginator(self, operation: str) -> "Ssm":
        """Return the paginator."""
        assert operation == "describe_parameters"
        return self

    def paginate(self, **request: Any) -> Any:
        """Return the pages."""
        self.asked.append(request["ParameterFilters"][0]["Values"])
        if self.calls:
            self.calls.pop(0)()
        if self.error:
            raise self.error
        return self._ssm.get_paginator("describe_parameters").paginate(**request)


class Scene:
    """The descriptions of one place, with parameters that exist."""

    def __init__(self, harness: AwsHarness) -> None:
        self.seconds = 0.0
        self.ready: list[Key] = []
        self.ssm = Ssm(harness.aws())
        self.found = Descriptions(self.ssm, lambda: self.seconds, self.ready.append)  # type: ignore[arg-type]
        self._path = harness.path

    def names(self, number: int, count: int = 5) -> list[str]:
        """The names of the parameters of an object."""
        return [f"{self._path}/{number}/{item}" for item in range(count)]

    def turn_away(self, *numbers: int) -> None:
        """Let objects be turned away."""
        self.ssm.error = Throttled("wait", delay=9.0)
        for number in numbers:
            with pytest.raises(Throttled):
                self.found.read_ahead(owner(number), self.names(number))
        self.ssm.error = None
        self.ssm.asked.clear()

    def read(self, number: int, version: int = 1) -> dict[str, Any]:
        """Return the metadata of an object's parameters."""
        return {
            name: item["Version"] for name, item in self.found.of(dict.fromkeys(self.names(number), version)).items()
        }


def owner(number: int) -> Owner:
    return Owner("cluster", "shop", f"object-{number}", f"uid-{number}")


def key(number: int) -> Key:
    return Key("shop", f"object-{number}")


@pytest.fixture
def scene(harness: AwsHarness) -> Scene:
    found = Scene(harness)
    for number in range(12):
        for name in found.names(number):
            harness.aws().put_parameter(Name=name, Value="v", Type="String")
    return found


def test_one_call_reads_what_others_wait_for(scene: Scene) -> None:
    scene.turn_away(*range(1, 12))
    scene.found.read_ahead(owner(0), scene.names(0))
    assert [len(asked) for asked in scene.ssm.asked] == [DESCRIBE_BATCH]
    assert sorted(scene.ready, key=str) == sorted(map(key, range(1, 10)), key=str)
    for number in range(10):
        scene.found.read_ahead(owner(number), scene.names(number))
        assert scene.read(number) == dict.fromkeys(scene.names(number), 1)
    assert len(scene.ssm.asked) == 1
    scene.found.read_ahead(owner(10), scene.names(10))
    assert sorted(scene.ssm.asked[1]) == sorted(scene.names(10) + scene.names(11))


def test_what_others_wait_for_is_kept_if_the_call_is_turned_away_too(scene: Scene) -> None:
    scene.turn_away(1, 2)
    scene.found.read_ahead(owner(0), scene.names(0))
    assert len(scene.ssm.asked[0]) == 15


def test_object_that_does_not_return_is_given_up(scene: Scene) -> None:
    scene.turn_away(1)
    scene.seconds += WAITING_SECONDS
    scene.found.read_ahead(owner(0), scene.names(0))
    assert scene.ssm.asked == [scene.names(0)]
    assert scene.ready == []


def test_object_that_has_returned_is_not_called_back(scene: Scene) -> None:
    scene.turn_away(1, 2)
    scene.found.read_ahead(owner(1), scene.names(1)[:1])
    scene.found.read_ahead(owner(0), scene.names(0))
    assert scene.ready == [key(2)]


def test_names_of_an_object_that_needs_none_any_longer_are_not_read(scene: Scene) -> None:
    """Such as one that is being deleted."""
    scene.turn_away(1)
    scene.found.read_ahead(owner(1), [])
    scene.found.read_ahead(owner(0), scene.names(0))
    assert scene.ssm.asked == [scene.names(0)]


def test_name_that_two_objects_wait_for_is_asked_for_once(scene: Scene) -> None:
    scene.turn_away(1)
    scene.ssm.error = Throttled("wait", delay=9.0)
    with pytest.raises(Throttled):
        scene.found.read_ahead(owner(2), scene.names(1))
    scene.ssm.error = None
    scene.ssm.asked.clear()
    scene.found.read_ahead(owner(0), [*scene.names(0), *scene.names(1)[:1]])
    assert sorted(scene.ssm.asked[0]) == sorted([*scene.names(0), *scene.names(1)])
    assert sorted(scene.ready, key=str) == [key(1), key(2)]


def test_object_that_is_turned_away_continues_if_another_has_read_for_it(scene: Scene) -> None:
    scene.turn_away(1)
    begun, may_end = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: scene.found.read_ahead(owner(0), scene.names(0)))

    def wait() -> None:
        begun.set()
        assert may_end.wait(60)

    def turn_away_after_the_other() -> None:
        may_end.set()
        other.join()
        raise Throttled("wait", delay=9.0)

    scene.ssm.calls = [wait, turn_away_after_the_other]
    other.start()
    assert begun.wait(60)
    scene.found.read_ahead(owner(1), scene.names(1))
    assert scene.read(1) == dict.fromkeys(scene.names(1), 1)
    assert len(scene.ssm.asked) == 2


def test_metadata_of_an_earlier_version_is_read_again(scene: Scene, harness: AwsHarness) -> None:
    scene.found.read_ahead(owner(0), scene.names(0))
    for name in scene.names(0):
        harness.aws().put_parameter(Name=name, Value="w", Type="String", Overwrite=True)
    assert set(scene.read(0, version=2).values()) == {2}
    assert len(scene.ssm.asked) == 2


def test_metadata_is_used_once(scene: Scene) -> None:
    scene.found.read_ahead(owner(0), scene.names(0))
    scene.read(0)
    scene.read(0)
    assert len(scene.ssm.asked) == 2


def test_denied_call_is_an_error_of_the_object_that_needs_it(scene: Scene) -> None:
    scene.turn_away(1)
    scene.ssm.error = AccessDenied("denied")
    scene.found.read_ahead(owner(0), scene.names(0))
    with pytest.raises(AccessDenied):
        scene.read(0)
    assert scene.ready == []

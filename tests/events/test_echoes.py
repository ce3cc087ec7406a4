"""Events of own writes are recognized by counting; no change by others is lost."""

import pytest

from dynconfig.events.echoes import KEPT_SECONDS, Echoes
from dynconfig.events.signals import Signal
from dynconfig.model.writes import DELETE, PUT

REGION = "eu-west-1"


class Scene:
    """One parameter, a clock, and the writes that were made."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.echoes = Echoes(lambda: self.now)
        self.echoes.begin(REGION)

    def write(self, name: str = "/a/b", operation: str = PUT) -> None:
        with self.echoes.writing(REGION, operation, [name]):
            self.now += 0.1

    def is_echo(self, name: str = "/a/b", operation: str = PUT, at: float | None = None, region: str = REGION) -> bool:
        """Whether an event is an echo of an own write; by default it is of this second."""
        return self.echoes.is_echo(Signal(region, float(int(at or self.now)), operation, parameters=(name,)))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_event_of_an_own_write_is_an_echo(scene: Scene) -> None:
    scene.write()
    assert scene.is_echo()


def test_event_before_the_response_is_an_echo(scene: Scene) -> None:
    with scene.echoes.writing(REGION, PUT, ["/a/b"]):
        assert scene.is_echo()


def test_each_write_matches_one_event(scene: Scene) -> None:
    scene.write()
    scene.write()
    assert [scene.is_echo() for _ in range(3)] == [True, True, False]


def test_surplus_event_is_a_change_by_others(scene: Scene) -> None:
    scene.write()
    theirs_first = [scene.is_echo(at=scene.now + 0.2), scene.is_echo()]
    assert theirs_first == [True, False]


@pytest.mark.parametrize("seconds", [-3.5, 3.5])
def test_event_with_another_time_is_no_echo(scene: Scene, seconds: float) -> None:
    scene.write()
    assert not scene.is_echo(at=scene.now + seconds)
    assert scene.is_echo()


def test_event_with_another_name_region_or_operation_is_no_echo(scene: Scene) -> None:
    scene.write()
    assert not scene.is_echo(name="/a/c")
    assert not scene.is_echo(region="us-east-1")
    assert not scene.is_echo(operation=DELETE)
    assert not scene.is_echo(operation="AddTagsToResource")


def test_failed_write_matches_no_event(scene: Scene) -> None:
    with pytest.raises(KeyError), scene.echoes.writing(REGION, PUT, ["/a/b"]):
        raise KeyError
    assert not scene.is_echo()


def test_deletions_are_counted_by_name(scene: Scene) -> None:
    with scene.echoes.writing(REGION, DELETE, ["/a/b", "/a/c"]):
        pass
    assert scene.is_echo("/a/c", DELETE)
    assert scene.is_echo("/a/b", DELETE)
    assert not scene.is_echo("/a/b", DELETE)


def test_old_writes_are_forgotten(scene: Scene) -> None:
    scene.write("/a/old")
    at = scene.now
    scene.now += KEPT_SECONDS + 1
    scene.write("/a/new")
    assert not scene.is_echo("/a/old", at=at)
    assert scene.is_echo("/a/new")


def test_write_without_a_listener_matches_no_event(scene: Scene) -> None:
    scene.echoes.end(REGION)
    scene.write()
    scene.echoes.begin(REGION)
    assert not scene.is_echo()


def test_events_are_not_expected_after_an_interruption(scene: Scene) -> None:
    scene.write()
    scene.echoes.end(REGION)
    scene.echoes.begin(REGION)
    assert not scene.is_echo()
    scene.write()
    assert scene.is_echo()


def test_interruption_is_per_region(scene: Scene) -> None:
    scene.write()
    scene.echoes.begin("us-east-1")
    scene.echoes.end("us-east-1")
    assert scene.is_echo()


class Late:
    """Writes with a manual clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.echoes = Echoes(lambda: self.now)
        self.echoes.begin(REGION)

    def writes(self, name: str, operation: str = PUT) -> None:
        """The operator writes."""
        with self.echoes.writing(REGION, operation, [name]):
            pass

    def missing(self, after: float) -> str | None:
        """The events missing after this many seconds."""
        self.now += after
        return self.echoes.missing(REGION)


def test_missing_event_is_reported_once_after_30_seconds() -> None:
    late = Late()
    late.writes("/app/a")
    assert late.missing(after=30) is None
    assert late.missing(after=1) == "/app/a"
    assert late.missing(after=1) is None


def test_lost_event_is_not_missing_if_later_ones_arrived() -> None:
    late = Late()
    late.writes("/app/a")
    late.now += 5
    late.echoes.arrived(REGION)
    assert late.missing(after=40) is None


def test_event_of_a_deletion_is_never_missing() -> None:
    late = Late()
    late.writes("/app/a", DELETE)
    assert late.missing(after=31) is None


def test_no_event_is_missing_in_a_region_without_listener() -> None:
    late = Late()
    late.writes("/app/a")
    late.echoes.end(REGION)
    assert late.missing(after=31) is None

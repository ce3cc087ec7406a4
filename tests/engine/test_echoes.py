"""Own writes are told from those of others by counting; no write of others is lost, whatever comes first."""

import pytest

from dynconfig.engine.echoes import KEPT_SECONDS, Echoes
from dynconfig.engine.signals import DELETE, PUT, Signal

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

    def hears(self, name: str = "/a/b", operation: str = PUT, at: float | None = None, region: str = REGION) -> bool:
        """Whether an event is taken for an own one; by default it is of this second."""
        return self.echoes.is_echo(Signal(region, float(int(at or self.now)), operation, parameters=(name,)))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_event_of_an_own_write_is_an_echo(scene: Scene) -> None:
    scene.write()
    assert scene.hears()


def test_an_event_that_is_faster_than_the_answer_is_an_echo(scene: Scene) -> None:
    with scene.echoes.writing(REGION, PUT, ["/a/b"]):
        assert scene.hears()


def test_each_write_answers_for_one_event(scene: Scene) -> None:
    scene.write()
    scene.write()
    assert [scene.hears() for _ in range(3)] == [True, True, False]


def test_a_write_of_others_right_after_ours_is_one_event_too_many(scene: Scene) -> None:
    scene.write()
    theirs_first = [scene.hears(at=scene.now + 0.2), scene.hears()]
    assert theirs_first == [True, False]


@pytest.mark.parametrize("seconds", [-3.5, 3.5])
def test_an_event_of_another_moment_is_not_ours(scene: Scene, seconds: float) -> None:
    scene.write()
    assert not scene.hears(at=scene.now + seconds)
    assert scene.hears()


def test_another_name_region_or_operation_is_not_ours(scene: Scene) -> None:
    scene.write()
    assert not scene.hears(name="/a/c")
    assert not scene.hears(region="us-east-1")
    assert not scene.hears(operation=DELETE)
    assert not scene.hears(operation="AddTagsToResource")


def test_a_write_that_failed_answers_for_nothing(scene: Scene) -> None:
    with pytest.raises(KeyError), scene.echoes.writing(REGION, PUT, ["/a/b"]):
        raise KeyError
    assert not scene.hears()


def test_deletions_are_counted_by_name(scene: Scene) -> None:
    with scene.echoes.writing(REGION, DELETE, ["/a/b", "/a/c"]):
        pass
    assert scene.hears("/a/c", DELETE)
    assert scene.hears("/a/b", DELETE)
    assert not scene.hears("/a/b", DELETE)


def test_what_was_written_long_ago_is_forgotten(scene: Scene) -> None:
    scene.write("/a/old")
    at = scene.now
    scene.now += KEPT_SECONDS + 1
    scene.write("/a/new")
    assert not scene.hears("/a/old", at=at)
    assert scene.hears("/a/new")


def test_a_write_whose_event_nobody_heard_answers_for_nothing(scene: Scene) -> None:
    scene.echoes.end(REGION)
    scene.write()
    scene.echoes.begin(REGION)
    assert not scene.hears()


def test_what_was_waited_for_is_not_waited_for_after_an_interruption(scene: Scene) -> None:
    scene.write()
    scene.echoes.end(REGION)
    scene.echoes.begin(REGION)
    assert not scene.hears()
    scene.write()
    assert scene.hears()


def test_an_interruption_in_one_region_is_none_in_another(scene: Scene) -> None:
    scene.write()
    scene.echoes.begin("us-east-1")
    scene.echoes.end("us-east-1")
    assert scene.hears()


class Late:
    """Writes on a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.echoes = Echoes(lambda: self.now)
        self.echoes.begin(REGION)

    def writes(self, name: str, operation: str = PUT) -> None:
        """The operator writes."""
        with self.echoes.writing(REGION, operation, [name]):
            pass

    def missing(self, after: float) -> str | None:
        """What is missing so many seconds later."""
        self.now += after
        return self.echoes.missing(REGION)


def test_an_event_that_does_not_come_is_missing_after_half_a_minute_and_once() -> None:
    late = Late()
    late.writes("/app/a")
    assert late.missing(after=30) is None
    assert late.missing(after=1) == "/app/a"
    assert late.missing(after=1) is None


def test_an_event_that_was_lost_while_later_ones_came_is_not_missing() -> None:
    late = Late()
    late.writes("/app/a")
    late.now += 5
    late.echoes.arrived(REGION)
    assert late.missing(after=40) is None


def test_the_deletion_of_what_is_gone_makes_no_event_and_misses_none() -> None:
    late = Late()
    late.writes("/app/a", DELETE)
    assert late.missing(after=31) is None


def test_nothing_is_missed_of_a_region_whose_events_are_not_received() -> None:
    late = Late()
    late.writes("/app/a")
    late.echoes.end(REGION)
    assert late.missing(after=31) is None

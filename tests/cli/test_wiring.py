"""Event listeners by settings: with queues that the operator creates, with given queues, or disabled."""

import itertools
import threading
from collections.abc import Iterator, Sequence

import pytest
from tests.emulated import emulated_aws
from tests.events.cleanup import remove_queue

from dynconfig import wiring
from dynconfig.events.patterns import event_rules
from dynconfig.events.signals import Signal
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.settings import Settings
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

HOME, AWAY = "eu-west-1", "us-east-1"
PATIENCE = 20.0

_numbers = itertools.count(1)


class RecordingListener:
    """Records from which regions events are received."""

    def __init__(self) -> None:
        self.up: dict[str, bool | None] = {}

    def route(self, signals: Sequence[Signal]) -> None:
        """Ignore changes."""

    def count_events(self, outcome: str, count: int) -> None:
        """Ignore counts."""

    def set_listening(self, place: Place, *, is_up: bool | None) -> None:
        """Record it."""
        self.up[place.title] = is_up

    def event_missing(self, place: Place, name: str) -> None:
        """Ignore it."""

    def events_began(self, place: Place) -> None:
        """Ignore it."""

    def events_interrupted(self, place: Place, repaired: str) -> None:
        """Ignore it."""

    def listener_failed(self) -> None:
        """Fail the test."""
        raise AssertionError("a listener crashed")


def listeners() -> set[threading.Thread]:
    """Return the running listener threads, including those of other tests whose last poll has not ended."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("events ")}


FENCE = Fence(0, lambda: 0.0, 0.0, float("inf"))


class CliHarness:
    """The listeners of an operator with given settings, in an emulated AWS of its own."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.cluster = f"wired-{next(_numbers)}"
        self.recorded = RecordingListener()
        self.calls: list[tuple[str, str]] = []

    def listen(self, *regions: str, **settings: object) -> None:
        """Start listeners for these regions, wait for their first report, then stop them."""
        made = Settings(region=HOME, is_emulated=True, **settings)
        parts = wiring.operator_parts(
            made, self._count, wiring.quota(made), self.cluster, lambda _shard: self.recorded, write_seconds=8.0
        )
        event_listeners = parts.listeners
        before = listeners()
        for region in regions:
            event_listeners.start(Place(region), FENCE)
        self.engaged = listeners() - before
        assert wait_until(lambda: len(self.recorded.up) == len(self.engaged), PATIENCE)
        event_listeners.close()

    def queues(self, region: str) -> list[str]:
        """Return the URLs of the queues of this operator."""
        sqs = wiring.session(Settings(is_emulated=True)).client("sqs", region)
        return list(sqs.list_queues(QueueNamePrefix=f"dynconfig-{self.cluster}").get("QueueUrls", []))

    def tidy(self) -> None:
        """Delete the queues and rules."""
        session = wiring.session(Settings(is_emulated=True))
        for region in (HOME, AWAY):
            sqs, events = (session.client(service, region)._client for service in ("sqs", "events"))
            remove_queue(sqs, events, f"dynconfig-{self.cluster}", event_rules(self.cluster))

    def _count(self, service: str, operation: str, _code: str) -> None:
        self.calls.append((service, operation))


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliHarness]:
    with emulated_aws() as lab:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        found = CliHarness(lab)
        yield found
        found.tidy()


def test_each_region_has_its_own_queue(harness: CliHarness) -> None:
    harness.listen(HOME, AWAY, HOME)
    assert harness.recorded.up == {HOME: True, AWAY: True}
    assert [len(harness.queues(region)) for region in (HOME, AWAY)] == [1, 1]


def test_disabled_events_need_no_call_and_no_thread(harness: CliHarness) -> None:
    harness.listen(HOME, AWAY, events_enabled=False)
    assert (harness.engaged, harness.calls, harness.recorded.up) == (set(), [], {})


def test_given_queue_serves_only_the_region_in_its_url(harness: CliHarness) -> None:
    # The queue does not exist, so that region is reported as down.
    harness.listen(HOME, AWAY, queue_urls=(f"https://sqs.{AWAY}.amazonaws.com/123456789012/ours",))
    assert harness.recorded.up == {AWAY: False}
    assert [len(harness.queues(region)) for region in (HOME, AWAY)] == [0, 0]
    assert {service for service, _ in harness.calls} <= {"sqs"}


def test_given_queue_without_region_in_its_url_serves_the_default_region(harness: CliHarness) -> None:
    harness.listen(HOME, AWAY, queue_urls=("http://127.0.0.1:9/123456789012/ours",))
    assert harness.recorded.up == {HOME: False}


def test_operator_without_credentials_keeps_running_without_events(harness: CliHarness) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
        environment.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
        harness.listen(HOME)
    assert harness.recorded.up == {HOME: False}

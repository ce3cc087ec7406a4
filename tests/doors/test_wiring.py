"""What the settings make of listening to AWS: queues of the operator's own, queues that were given, or none."""

import itertools
import threading
from collections.abc import Iterator, Sequence

import pytest
from tests.aws.cleanup import remove_queue
from tests.emulated import emulated_aws

from dynconfig import wiring
from dynconfig.aws.patterns import event_rules
from dynconfig.engine.signals import Signal
from dynconfig.settings import Settings
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

HOME, AWAY = "eu-west-1", "us-east-1"
PATIENCE = 20.0

_numbers = itertools.count(1)


class RecordingListener:
    """Remembers which regions are heard."""

    def __init__(self) -> None:
        self.up: dict[str, bool | None] = {}

    def signals(self, signals: Sequence[Signal]) -> None:
        """Nothing is done about them here."""

    def events(self, outcome: str, count: int) -> None:
        """They are not counted here."""

    def listening(self, region: str, *, is_up: bool | None) -> None:
        """Up or deaf."""
        self.up[region] = is_up

    def missing(self, region: str, name: str) -> None:
        """An own write whose event does not come."""

    def interrupted(self, region: str, repaired: str) -> None:
        """What brings events was repaired."""

    def ended(self) -> None:
        """Never in these tests."""
        raise AssertionError("a listener has ended by a bug")


def listeners() -> set[threading.Thread]:
    """Those at work, with any of another test whose last poll has not ended yet: they have the same names."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("events ")}


class Scene:
    """An operator's listening, as its settings make it, in an AWS of its own."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.cluster = f"wired-{next(_numbers)}"
        self.recorded = RecordingListener()
        self.calls: list[tuple[str, str]] = []

    def listen(self, *regions: str, **settings: object) -> None:
        """Serve these regions until their polls have begun, then end."""
        made = Settings(region=HOME, is_emulated=True, **settings)  # type: ignore[arg-type]
        _engine, event_listeners = wiring.listening(made, self._count, self.cluster, self.recorded)
        before = listeners()
        for region in regions:
            event_listeners.serve(region)
        self.engaged = listeners() - before
        assert wait_until(lambda: len(self.recorded.up) == len(self.engaged), PATIENCE)
        event_listeners.close()

    def queues(self, region: str) -> list[str]:
        """URLs of the queues of this operator."""
        sqs = wiring.session(Settings(is_emulated=True)).client("sqs", region)
        return list(sqs.list_queues(QueueNamePrefix=f"dynconfig-{self.cluster}").get("QueueUrls", []))

    def tidy(self) -> None:
        """Leave nothing in AWS."""
        session = wiring.session(Settings(is_emulated=True))
        for region in (HOME, AWAY):
            sqs, events = (session.client(service, region)._client for service in ("sqs", "events"))
            remove_queue(sqs, events, f"dynconfig-{self.cluster}", event_rules(self.cluster))

    def _count(self, service: str, operation: str, _code: str) -> None:
        self.calls.append((service, operation))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with emulated_aws() as lab:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        found = Scene(lab)
        yield found
        found.tidy()


def test_each_region_has_a_queue_of_its_own(scene: Scene) -> None:
    scene.listen(HOME, AWAY, HOME)
    assert scene.recorded.up == {HOME: True, AWAY: True}
    assert [len(scene.queues(region)) for region in (HOME, AWAY)] == [1, 1]


def test_events_that_are_turned_off_cost_no_call_and_no_thread(scene: Scene) -> None:
    scene.listen(HOME, AWAY, hears_events=False)
    assert (scene.engaged, scene.calls, scene.recorded.up) == (set(), [], {})


def test_a_queue_that_was_given_serves_the_region_in_its_name_and_no_other(scene: Scene) -> None:
    # It does not exist, which is told of that region.
    scene.listen(HOME, AWAY, queue_urls=(f"https://sqs.{AWAY}.amazonaws.com/123456789012/ours",))
    assert scene.recorded.up == {AWAY: False}
    assert [len(scene.queues(region)) for region in (HOME, AWAY)] == [0, 0]
    assert {service for service, _ in scene.calls} <= {"sqs"}


def test_a_queue_whose_url_names_no_region_serves_the_operators_own(scene: Scene) -> None:
    scene.listen(HOME, AWAY, queue_urls=("http://127.0.0.1:9/123456789012/ours",))
    assert scene.recorded.up == {HOME: False}


def test_an_operator_without_credentials_is_deaf_and_lives_on(scene: Scene) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
        environment.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
        scene.listen(HOME)
    assert scene.recorded.up == {HOME: False}

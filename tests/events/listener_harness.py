"""A listener on the emulated AWS, with its queue, clock and recorded callbacks."""

import itertools
import time
from typing import Any

from tests.events.cleanup import remove_queue
from tests.events.recording_listener import HERE, PATIENCE, REGION, RecordingListener

from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.events.echoes import Echoes
from dynconfig.events.listener import EventListener
from dynconfig.events.patterns import event_rules
from dynconfig.events.queue import EventQueue
from dynconfig_lab.aws import AwsLab, Faults

_numbers = itertools.count(1)


class ListenerHarness:
    """A listener of a separate cluster."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.recorded = RecordingListener()
        self.cluster = f"listener-{next(_numbers)}"
        self.now = 0.0
        self.echoes = Echoes(lambda: time.time() + self.now)
        self.clock = 0.0
        self.given = ""
        quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
        self.session = Session(quota, lambda *_: None, endpoint=lab.endpoint, pool=2)
        self.listener = self.new_listener()

    @property
    def queue(self) -> str:
        """The name of the queue."""
        return f"dynconfig-{self.cluster}-events"

    def aws(self, service: str) -> Any:
        """Return a plain boto3 client."""
        return self.session.client(service, REGION)._client

    def put(self, name: str) -> str:
        """Write a parameter below this cluster's path, as another user."""
        full = f"/{self.cluster}/{name}"
        self.aws("ssm").put_parameter(Name=full, Value="x", Type="String", Overwrite=True)
        return full

    def begin(self) -> None:
        """Start the listener and wait until events are received."""
        self.listener.start()
        self.recorded.wait(lambda recorded: recorded.up[-1:] == [True])

    def end(self) -> None:
        """Stop the listener and wait for its thread to end."""
        self.lab.faults(Faults())
        self.listener.stop()
        assert self.listener.join(PATIENCE)
        remove_queue(self.aws("sqs"), self.aws("events"), self.queue, event_rules(self.cluster))

    def new_listener(self) -> EventListener:
        """Return a new listener, as after a restart."""
        clients: list[Any] = [self.session.client(service, REGION) for service in ("sqs", "events")]
        rules = event_rules(self.cluster, [f"/{self.cluster}"])
        queue = EventQueue(*clients, cluster=self.cluster, queue=self.given or self.queue, rules=rules, wait_seconds=1)
        return EventListener(HERE, queue, self.echoes, self.recorded, lambda: self.clock)

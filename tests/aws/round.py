"""A postman on the emulated AWS, and what is around it."""

import itertools
import time
from typing import Any

from tests.aws.ear import PATIENCE, REGION, Ear
from tests.aws.tidy import take_away

from dynconfig.aws.mailbox import Mailbox
from dynconfig.aws.patterns import event_rules
from dynconfig.aws.postman import Postman
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.engine.echoes import Echoes
from dynconfig_lab.aws import AwsLab, Faults

_numbers = itertools.count(1)


class Round:
    """A postman of a cluster of its own, and what is around it."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.ear = Ear()
        self.cluster = f"round-{next(_numbers)}"
        self.now = 0.0
        self.echoes = Echoes(lambda: time.time() + self.now)
        self.clock = 0.0
        self.given = ""
        quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
        self.session = Session(quota, lambda *_: None, endpoint=lab.endpoint, pool=2)
        self.postman = self.made()

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return f"dynconfig-{self.cluster}-events"

    def aws(self, service: str) -> Any:
        """boto3 itself."""
        return self.session.client(service, REGION)._client

    def put(self, name: str) -> str:
        """Somebody writes a parameter below this round's path."""
        full = f"/{self.cluster}/{name}"
        self.aws("ssm").put_parameter(Name=full, Value="x", Type="String", Overwrite=True)
        return full

    def begin(self) -> None:
        """Start, and wait until events are heard."""
        self.postman.start()
        self.ear.wait(lambda ear: ear.up[-1:] == [True])

    def end(self) -> None:
        """Stop, and let no thread outlive its test."""
        self.lab.faults(Faults())
        self.postman.stop()
        assert self.postman.join(PATIENCE)
        take_away(self.aws("sqs"), self.aws("events"), self.queue, event_rules(self.cluster))

    def made(self) -> Postman:
        """A postman as after a restart."""
        clients: list[Any] = [self.session.client(service, REGION) for service in ("sqs", "events")]
        rules = event_rules(self.cluster, [f"/{self.cluster}"])
        mailbox = Mailbox(*clients, cluster=self.cluster, queue=self.given or self.queue, rules=rules, wait_seconds=1)
        return Postman(REGION, mailbox, self.echoes, self.ear, lambda: self.clock)

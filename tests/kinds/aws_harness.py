"""What the tests of kinds work with: real boto3 on the emulated AWS in this process, and a clock that they set."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulated import AWS_TIME

from dynconfig import wiring
from dynconfig.api import names
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Count, Session
from dynconfig.aws.tagged import TaggedParameters
from dynconfig.engine import report
from dynconfig.engine.declaration import Declaration, Source
from dynconfig.engine.declare import declare, declare_deletion
from dynconfig.engine.errors import DynConfigError, Retryable
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner, Resource
from dynconfig.engine.tenancy import Tenant
from dynconfig.kinds.parameter import Parameters
from dynconfig.settings import Settings
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.calls import ACCOUNT

REGION = "eu-west-1"
SETTLED_WITHIN = 30.0
ASKED = {"annotations": {names.RECONCILE_REQUESTED_AT: "now"}}

_numbers = itertools.count(1)


@dataclass
class Clock:
    """A clock that stands still until it is set forward."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass without waiting for it."""
        self.now += seconds


@dataclass
class Watch:
    """Hears of every call, and kills the process right after one of them where it is told to."""

    heard: set[str] = field(default_factory=set)
    among: tuple[str, ...] = ()
    left: int | None = None

    def __call__(self, service: str, operation: str, code: str) -> None:
        call = f"{service}.{operation}"
        self.heard.add(call)
        if code != "OK" or self.left is None or call not in self.among:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise KeyboardInterrupt

    def kill_after(self, survived: int, among: tuple[str, ...]) -> None:
        """Die right after the write that follows on so many others; AWS has carried it out."""
        self.left, self.among = survived, among


def unlimited(lab: AwsLab, count: Count) -> Session:
    """Clients of the emulated AWS that keep no quota."""
    clock = Clock()
    quota = Quota(clock, clock.pause, is_limited=False)
    return Session(quota, count, endpoint=lab.endpoint, pool=4)


@dataclass
class AwsHarness:
    """One test's own corner of the emulated AWS."""

    lab: AwsLab
    session: Session
    watch: Watch = field(default_factory=Watch)
    clock: Clock = field(default_factory=Clock)
    number: int = field(default_factory=lambda: next(_numbers))
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of this test."""
        return f"/test-{self.number}/app"

    def owner(self, name: str = "myapp", uid: str = "uid-1") -> Owner:
        """An owner in the namespace of this test."""
        return Owner("cluster", f"ns-{self.number}", name, uid)

    def aws(self, service: str = "ssm") -> Any:
        """boto3 itself, as a person would use it."""
        return self.session.client(service, REGION)._client

    def parameters(self) -> Parameters:
        """The parameter kind, as after a restart: it has seen nothing yet."""
        tagged = TaggedParameters(self.session.client("resourcegroupstaggingapi", REGION), self.clock)
        return Parameters(self.session.client("ssm", REGION), tagged, self.clock)

    @property
    def name(self) -> str:
        """What the names of all that this test makes begin with, where the spec names nothing."""
        return f"dynconfig-ns-{self.number}_myapp"

    def kinds(self, *values: type[Resource], settings: Settings | None = None) -> tuple[AnyKind, ...]:
        """The wired kinds of these values or all, in their order, as after a restart: they have seen nothing yet."""
        wired = wiring.kinds(self.session, REGION, settings or Settings(), lambda: ACCOUNT, self.clock)
        return tuple(kind for kind in wired if not values or kind.value in values)

    def declare(self, spec: Mapping[str, Any], **about: Any) -> Declaration:
        """A declaration of this test's owner, as of an object that has its finalizer."""
        metadata = {"generation": about.pop("generation", 1), "finalizers": [names.FINALIZER]}
        metadata.update(about.pop("metadata", {}))
        document = {"metadata": metadata, "spec": {"path": self.path, **spec}, "status": about.pop("status", None)}
        owner = about.pop("owner", self.owner())
        tenant = Tenant(owner.namespace)
        return declare(document, owner=owner, default_region=REGION, read=self._read, tenant=tenant, **about)

    def apply(self, declaration: Declaration, kind: AnyKind | None = None) -> Outcome:
        """Run the engine with one kind; an error is raised."""
        chosen = kind or self.parameters()
        outcome = Engine(lambda _place: (chosen,)).run(declaration)
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def goodbye(self, spec: Mapping[str, Any], status: Mapping[str, Any] | None = None) -> Declaration:
        """The declaration of this test's object on its way out."""
        document = {"metadata": {"generation": 2}, "spec": {"path": self.path, **spec}, "status": status}
        return declare_deletion(document, owner=self.owner(), default_region=REGION)

    def settle(
        self, declaration: Declaration, kinds: tuple[AnyKind, ...], errors: list[DynConfigError] | None = None
    ) -> Outcome:
        """Run one engine until AWS is as declared: what may pass is noted, and looked at again. Other errors are raised."""
        engine, end = Engine(lambda _place: kinds), time.monotonic() + SETTLED_WITHIN
        while True:
            outcome = engine.run(declaration)
            if outcome.is_complete:
                return outcome
            if not isinstance(outcome.error, Retryable) or time.monotonic() > end:
                raise outcome.error or AssertionError(f"it stopped short: {outcome.remaining}")
            if errors is not None:
                errors.append(outcome.error)
            AWS_TIME.pass_quickly()

    def status(self, outcome: Outcome) -> dict[str, Any]:
        """The status that the operator would write."""
        return report.status(outcome, {}, 1.8e9, None)

    def calls(self, action: Callable[[], object]) -> dict[str, int]:
        """How often each operation of AWS is called by an action."""
        self.lab.reset_calls()
        action()
        return self.lab.calls()

    def put_by_hand(self, name: str, value: str = "by hand", **more: Any) -> None:
        """What a person does in the console."""
        request = {"Type": "String", "Overwrite": True, **more}
        self.aws().put_parameter(Name=f"{self.path}/{name}", Value=value, **request)

    def value(self, name: str) -> str:
        """A value below the path, decrypted."""
        answer = self.aws().get_parameter(Name=f"{self.path}/{name}", WithDecryption=True)
        return str(answer["Parameter"]["Value"])

    def versions(self) -> dict[str, int]:
        """Version by name of all below the path."""
        pages = self.aws().get_paginator("get_parameters_by_path").paginate(Path=self.path, Recursive=True)
        found = (item for page in pages for item in page["Parameters"])
        return {item["Name"].removeprefix(f"{self.path}/"): item["Version"] for item in found}

    def tags(self, name: str) -> dict[str, str]:
        """The tags of a parameter below the path."""
        answer = self.aws().list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{self.path}/{name}")
        return {tag["Key"]: tag["Value"] for tag in answer["TagList"]}

    def _read(self, source: Source) -> str | None:
        return self.secrets.get(f"{source.name}/{source.key}")

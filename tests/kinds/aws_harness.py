"""The harness of the kind tests: real boto3 against the in-process emulated AWS, and a manual clock."""

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
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds import registry
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.model.declaration import Declaration, Source
from dynconfig.model.errors import DynConfigError, Retryable
from dynconfig.model.plan import AnyKind
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Owner, Resource
from dynconfig.settings import Settings
from dynconfig.status import report
from dynconfig.validation.declare import declare, declare_deletion
from dynconfig.validation.tenancy import Tenant
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.accounts import ACCOUNT

REGION = "eu-west-1"
SETTLED_WITHIN = 30.0
REQUESTED = {"annotations": {names.RECONCILE_REQUESTED_AT: "now"}}

_numbers = itertools.count(1)


@dataclass
class Clock:
    """A clock that only moves when advanced."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds


@dataclass
class Watch:
    """Records every call, and simulates a process kill right after a chosen one."""

    calls: set[str] = field(default_factory=set)
    among: tuple[str, ...] = ()
    left: int | None = None

    def __call__(self, service: str, operation: str, code: str) -> None:
        call = f"{service}.{operation}"
        self.calls.add(call)
        if code != "OK" or self.left is None or call not in self.among:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise KeyboardInterrupt

    def kill_after(self, survived: int, among: tuple[str, ...]) -> None:
        """Kill the process right after the write that follows this many others; AWS has applied it."""
        self.left, self.among = survived, among


def unlimited(lab: AwsLab, count: Count) -> Session:
    """Clients of the emulated AWS without rate limits."""
    clock = Clock()
    quota = Quota(clock, clock.pause, is_limited=False)
    return Session(quota, count, endpoint=lab.endpoint, pool=4)


@dataclass
class AwsHarness:
    """The resources of one test in the emulated AWS."""

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
        """A plain boto3 client, for external changes."""
        return self.session.client(service, REGION)._client

    def parameters(self) -> Parameters:
        """The parameter kind with an empty cache, as after a restart."""
        return Parameters(self.context())

    def context(self, settings: Settings | None = None, **about: Any) -> Context:
        """What kinds are built from, with empty indexes."""
        return wiring.context(self.session, REGION, settings or Settings(), lambda: ACCOUNT, self.clock, **about)

    @property
    def name(self) -> str:
        """The default name prefix of this test's resources."""
        return f"dynconfig-ns-{self.number}_myapp"

    def kinds(self, *values: type[Resource], settings: Settings | None = None) -> tuple[AnyKind, ...]:
        """The wired kinds of these value types (default all), in order, with empty caches as after a restart."""
        return tuple(kind for kind in registry.kinds(self.context(settings)) if not values or kind.value in values)

    def declare(self, spec: Mapping[str, Any], **about: Any) -> Declaration:
        """A declaration of this test's owner, as of an object that has its finalizer."""
        metadata = {"generation": about.pop("generation", 1), "finalizers": [names.FINALIZER]}
        metadata.update(about.pop("metadata", {}))
        document = {"metadata": metadata, "spec": {"path": self.path, **spec}, "status": about.pop("status", None)}
        owner = about.pop("owner", self.owner())
        tenant = Tenant(owner.namespace)
        return declare(document, owner=owner, default_region=REGION, read=self._read, tenant=tenant, **about)

    def apply(self, declaration: Declaration, kind: AnyKind | None = None) -> Outcome:
        """Run the engine with one kind; raise its error."""
        chosen = kind or self.parameters()
        outcome = Engine(lambda _place: (chosen,)).run(declaration)
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def deletion(self, spec: Mapping[str, Any], status: Mapping[str, Any] | None = None) -> Declaration:
        """The declaration of this test's object while it is being deleted."""
        document = {"metadata": {"generation": 2}, "spec": {"path": self.path, **spec}, "status": status}
        return declare_deletion(document, owner=self.owner(), default_region=REGION)

    def settle(
        self, declaration: Declaration, kinds: tuple[AnyKind, ...], errors: list[DynConfigError] | None = None
    ) -> Outcome:
        """Reconcile until AWS is in sync: retryable errors are recorded and retried, others are raised."""
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
        return report.status(outcome, PreviousStatus(), 1.8e9, None)

    def calls(self, action: Callable[[], object]) -> dict[str, int]:
        """Count the AWS calls of an action by operation."""
        self.lab.reset_calls()
        action()
        return self.lab.calls()

    def put_by_hand(self, name: str, value: str = "by hand", **more: Any) -> None:
        """Put a parameter as a user does in the console."""
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

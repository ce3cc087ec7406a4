"""Between boto3 and AWS: each call of the operator can be observed, rejected, lost, or be its last."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from dynconfig.aws.session import OWN_USER_AGENT

READS = ("Get", "List", "Describe")


class Killed(BaseException):
    """The process was killed here, as by kill -9: nothing of it may continue."""


class Trouble(StrEnum):
    """A fault of AWS, as botocore reports it after its retries."""

    NONE = "none"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    LOST_ANSWERS = "lost answers"
    """Writes are carried out, and their responses never arrive."""


@dataclass(frozen=True)
class Call:
    """One call of the operator."""

    service: str
    operation: str
    request: Mapping[str, Any]

    @property
    def is_write(self) -> bool:
        """Whether it changes AWS."""
        return not self.operation.startswith(READS)

    def __str__(self) -> str:
        named = ("Name", "ResourceId", "Names", "AlarmName", "AlarmNames", "FunctionName", "RoleName", "Rule")
        subject = next((self.request[name] for name in named if name in self.request), "")
        return f"{self.service}.{self.operation} {subject}".strip()


@dataclass(frozen=True)
class Death:
    """The write at which the process dies, counted from now, before or after it is carried out."""

    write: int
    is_before: bool


@dataclass
class Wire:
    """The interception; `before` and `after` observe the writes."""

    before: Callable[[Call], None] = lambda _call: None
    after: Callable[[Call], None] = lambda _call: None
    died: Callable[[Call | None], None] = lambda _made: None
    """Called for a death, with the preceding write if it was carried out."""
    trouble: Trouble = Trouble.NONE
    death: Death | None = None
    is_dead: bool = False
    writes: list[Call] = field(default_factory=list)
    """All that was carried out, in this order."""

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Intercept within the `with` block."""
        direct = BaseClient._make_api_call  # type: ignore[attr-defined]  # botocore's one place for all calls

        def call(client: Any, operation: str, request: dict[str, Any]) -> Any:
            if OWN_USER_AGENT not in client.meta.config.user_agent:
                return direct(client, operation, request)
            made = Call(client.meta.service_model.service_name, operation, request)
            return self._pass(made, lambda: direct(client, operation, request))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", call)
            yield

    def revive(self) -> None:
        """Another process makes the calls from now on."""
        self.is_dead, self.death = False, None

    def _pass(self, call: Call, carry_out: Callable[[], Any]) -> Any:
        if self.is_dead:
            raise Killed
        self._refuse(call)
        if not call.is_write:
            return carry_out()
        dies = self._dies_here()
        if dies and dies.is_before:
            self._die(None)
        self.before(call)
        answer = carry_out()
        self.writes.append(call)
        self.after(call)
        if dies:
            self._die(call)
        if self.trouble is Trouble.LOST_ANSWERS:
            raise ReadTimeoutError(endpoint_url="https://aws")
        return answer

    def _refuse(self, call: Call) -> None:
        if self.trouble is Trouble.UNAVAILABLE:
            raise EndpointConnectionError(endpoint_url="https://aws")
        if self.trouble is Trouble.THROTTLED:
            error = {"Code": "ThrottlingException", "Message": "Rate exceeded"}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, call.operation)  # type: ignore[typeddict-item]

    def _dies_here(self) -> Death | None:
        """The death that is due with this write."""
        if self.death is None:
            return None
        if self.death.write == 0:
            return self.death
        self.death = Death(self.death.write - 1, self.death.is_before)
        return None

    def _die(self, made: Call | None) -> None:
        self.is_dead, self.death = True, None
        self.died(made)
        raise Killed

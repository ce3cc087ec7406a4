"""What the kinds of one place are built from."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from dynconfig.kinds._shared.alarm_base import AlarmApi
from dynconfig.kinds._shared.extension_layer import Layers
from dynconfig.kinds._shared.tags import TagIndex
from dynconfig.model.arns import Arns
from dynconfig.model.key import Key

Writing = Callable[[str, Sequence[str]], AbstractContextManager[None]]
"""Context manager entered around each write of parameters, with PUT or DELETE and the names."""


class Package(Protocol):
    """The function's deployment package."""

    @property
    def content(self) -> bytes:
        """The zip file."""

    @property
    def sha256(self) -> str:
        """Its SHA-256 in base64, as Lambda returns it."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The clients, indexes and settings of one place."""

    client: Callable[[str], Any]
    """Returns the client of a service by its name in boto3; kinds give it its type."""
    arns: Arns
    clock: Callable[[], float]
    layers: Layers
    package: Callable[[str], Package]
    """Returns the package of a function with these parameters, as JSON."""
    parameter_tags: TagIndex
    alarm_tags: TagIndex
    ignored_tags: tuple[str, ...] = ("aws:",)
    """Beginnings of the keys of tags that others set."""
    boundary: str = ""
    """ARN of the permissions boundary of all roles; empty for none."""
    writing: Writing = field(default=lambda _operation, _names: nullcontext())
    owner_changed: Callable[[Sequence[str]], None] = field(default=lambda _names: None)
    """Called with the names of parameters whose owner changes or is removed."""
    call_back: Callable[[Key], object] = field(default=lambda _key: None)
    """Called with an object that waits for a quota, when it need not wait any longer."""

    @cached_property
    def alarms(self) -> AlarmApi:
        """Return what metric and composite alarms share."""
        return AlarmApi(
            self.client("cloudwatch"), self.alarm_tags, self.clock, self.arns, ignored_tags=self.ignored_tags
        )

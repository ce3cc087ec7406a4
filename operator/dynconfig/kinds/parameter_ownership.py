"""Whose a parameter is: hints from AWS's index, which is late, and what SSM answers by name, once before it is given up."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dynconfig.engine.errors import Conflict, NotFound
from dynconfig.engine.resource import Owner
from dynconfig.kinds.parameter_value import Pairs, Parameter, owner_of

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

# As long as AWS's index, or what was read of it, may go on naming the owner that a parameter had before.
DISTRUST_SECONDS = 600.0
# What SSM answered by name is as new as any other part of the same look.
CONFIRMED_SECONDS = 10.0


class Tagged(Protocol):
    """Answers which parameters carry the owner tag, for many objects in few calls; late, as AWS's index is."""

    def look(self, owner: Owner, *, closely: bool) -> float:
        """Have the index no older than is fit for the purpose; answers when this owner's part of it was read."""

    def tags(self, name: str) -> Pairs | None:
        """All tags of an owned parameter, or None where the index does not have it."""

    def owned(self, owner: str) -> Sequence[str]:
        """Names of the parameters that carry this owner tag."""


class ParameterOwnership:
    """Confirms ownership of the parameters of one place."""

    def __init__(self, ssm: "SSMClient", tagged: Tagged, clock: Callable[[], float]) -> None:
        self._ssm = ssm
        self._tagged = tagged
        self._clock = clock
        self._distrusted: dict[str, float] = {}
        self._created: dict[str, float] = {}
        self._read_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def tags(self, name: str) -> Pairs:
        """The tags by name. Raises NotFound."""
        answer = self._ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        self._note(self._read_at, [name])
        return tuple(sorted((tag["Key"], tag["Value"]) for tag in answer["TagList"]))

    def indexed(self, name: str) -> Pairs | None:
        """The tags by the index; None where it does not have them, or the owner changed since it may have been read."""
        return None if self._is_recent(self._created, name) else self._trusted(name)

    def indexed_if_owned(self, name: str, owner: Owner) -> Pairs | None:
        """The tags by the index, where it says that this is the owner; who gives it up asks by name before."""
        found = self._trusted(name)
        return found if found is not None and owner_of(found) == owner.tag else None

    def distrust_index(self, names: Iterable[str]) -> None:
        """Their owner changes now, so that nothing of the index counts for a while: they may even come back."""
        self._note(self._distrusted, names)

    def created(self, name: str) -> None:
        """It is made now: what the index says is about another one of that name, until its owner gives it up."""
        self._note(self._created, [name])

    def confirmed(self, observed: Sequence[Parameter]) -> list[str]:
        """The names of those whose owner has not changed, asked by name; what is gone has no other owner."""
        return [parameter.name for parameter in observed if self._is_unchanged(parameter)]

    def confirm(self, observed: Parameter) -> None:
        """Raise Conflict where another has taken it over; asks by name where the index or memory said whose it is."""
        if self._clock() - self._read_at.get(observed.name, float("-inf")) >= CONFIRMED_SECONDS:
            self.refuse_taken([observed], self.confirmed([observed]))

    def refuse_taken(self, observed: Sequence[Parameter], confirmed: Sequence[str]) -> None:
        """Raise Conflict where another has taken over one of these."""
        taken = [parameter.name for parameter in observed if parameter.name not in set(confirmed)]
        if taken:
            self.distrust_index(taken)
            raise Conflict(f"parameter {taken[0]} was taken over by another owner; retrying", delay=1.0)

    def _trusted(self, name: str) -> Pairs | None:
        return None if self._is_recent(self._distrusted, name) else self._tagged.tags(name)

    def _is_recent(self, noted: Mapping[str, float], name: str) -> bool:
        return self._clock() - noted.get(name, float("-inf")) < DISTRUST_SECONDS

    def _note(self, noted: dict[str, float], names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                noted.pop(name, None)
                noted[name] = self._clock()
            # They are in the order of their times.
            while noted and not self._is_recent(noted, oldest := next(iter(noted))):
                del noted[oldest]

    def _is_unchanged(self, observed: Parameter) -> bool:
        try:
            owner = owner_of(self.tags(observed.name))
        except NotFound:
            return True
        if owner != observed.owner:
            self._read_at.pop(observed.name, None)
        return owner == observed.owner

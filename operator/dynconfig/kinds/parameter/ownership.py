"""The owner of a parameter: from AWS's tag index, which lags, and by name from SSM before a write or deletion."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from dynconfig.kinds._shared.tags import TagIndex
from dynconfig.kinds.parameter.value import Pairs, Parameter, owner_of
from dynconfig.model.errors import Conflict, NotFound
from dynconfig.model.resource import Owner
from dynconfig.model.ttl_cache import TtlCache

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

# How long AWS's tag index, or a copy of it, may still name the previous owner of a parameter.
DISTRUST_SECONDS = 600.0
# Tags read by name less than this ago are as fresh as the rest of the observation.
CONFIRMED_SECONDS = 10.0


class ParameterOwnership:
    """Confirm the ownership of the parameters of one place."""

    def __init__(self, ssm: "SSMClient", tag_index: TagIndex, clock: Callable[[], float]) -> None:
        self._ssm = ssm
        self._tag_index = tag_index
        self._distrusted = TtlCache[str, bool](DISTRUST_SECONDS, clock)
        self._created = TtlCache[str, bool](DISTRUST_SECONDS, clock)
        self._confirmed = TtlCache[str, bool](CONFIRMED_SECONDS, clock)

    def tags(self, name: str) -> Pairs:
        """Read the tags by name; an index that disagrees is ignored for a while. Raises NotFound."""
        answer = self._ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        self._confirmed.put(name, True)
        found = tuple(sorted((tag["Key"], tag["Value"]) for tag in answer["TagList"]))
        if self._tag_index.tags(name) not in (None, found):
            self.distrust_index([name])
        return found

    def indexed(self, name: str) -> Pairs | None:
        """Return the indexed tags; None if they are missing, or the owner may have changed since they were read."""
        return None if self._created.get(name) else self._trusted(name)

    def indexed_if_owned(self, name: str, owner: Owner) -> Pairs | None:
        """Return the indexed tags if they name this owner. Callers confirm by name before they delete or release."""
        found = self._trusted(name)
        return found if found is not None and owner_of(found) == owner.tag else None

    def distrust_index(self, names: Iterable[str]) -> None:
        """Ignore the index for these names for a while: their owner is changing, possibly back and forth."""
        for name in names:
            self._distrusted.put(name, True)

    def created(self, name: str) -> None:
        """Ignore the index for a parameter created now: its entry may describe a deleted one of the same name."""
        self._created.put(name, True)

    def confirmed(self, observed: Sequence[Parameter]) -> list[str]:
        """Return the names whose owner is unchanged, read by name. Missing parameters count as unchanged."""
        return [parameter.name for parameter in observed if self._is_unchanged(parameter)]

    def confirm(self, observed: Parameter) -> None:
        """Raise Conflict if the owner has changed. Reads the tags by name unless that was done in this observation."""
        if not self._confirmed.get(observed.name):
            self.refuse_taken([observed], self.confirmed([observed]))

    def refuse_taken(self, observed: Sequence[Parameter], confirmed: Sequence[str]) -> None:
        """Raise Conflict if one of these has another owner."""
        taken = [parameter.name for parameter in observed if parameter.name not in set(confirmed)]
        if taken:
            self.distrust_index(taken)
            raise Conflict(f"parameter {taken[0]} was taken over by another owner; retrying", delay=1.0)

    def _trusted(self, name: str) -> Pairs | None:
        return None if self._distrusted.get(name) else self._tag_index.tags(name)

    def _is_unchanged(self, observed: Parameter) -> bool:
        try:
            owner = owner_of(self.tags(observed.name))
        except NotFound:
            return True
        if owner != observed.owner:
            self._confirmed.forget([observed.name])
        return owner == observed.owner

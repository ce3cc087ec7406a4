"""What the index of resources knows of an object. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from dynconfig.model.fingerprint import Fingerprints, contains, fingerprint
from dynconfig.model.key import Key
from dynconfig.model.stored import RecordedPlace
from dynconfig.model.target import Target

AWAITED = (1 << 64) - 1
"""Makes digests of parameters that status does not have different from those that it has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an object declares, reports and is allowed."""

    uid: str
    region: str
    """The key of its place: a region, or a target."""
    target: str
    """The name of its target; empty for the operator's own identity."""
    needed_region: str
    """The region that its namespace needs a right to; empty for that of the operator or target."""
    path: str
    awaited: Fingerprints
    """Digests of full names that it declares and status does not have. A collision may retain a parameter in AWS."""
    written: Fingerprints
    """Digests of full names that it declares and status has."""
    reported: Fingerprints
    """Digests of full names of parameters in status that spec does not declare."""
    adopts: bool
    """Whether it adopts resources without an owner. An object that is being deleted adopts nothing."""
    is_deleting: bool
    suspended: bool
    has_finalizer: bool
    recorded: RecordedPlace | None
    """Where it writes, by its status."""
    was_reported: bool
    """Whether it has another status than the one that precedes its finalizer and its first write."""
    had_parameters: bool
    """Whether it declared or owned parameters when AWS was observed for it: its namespace was allowed to have them. Path and
    region are immutable."""
    is_place_lost: bool
    """Whether AWS may have something of it although status records nothing, if its namespace may have its path."""
    resources: tuple[tuple[str, str], ...]
    """Pairs of an identifier used in events (the name or the end of the ARN) and the name. The status limits both."""

    @property
    def accepts(self) -> bool:
        """Whether it may be given a parameter at once.

        Without both, its deletion removes nothing from AWS. A status without a place is a refusal; and the author of an object,
        too, can set the finalizer.
        """
        return self.has_finalizer and self.recorded is not None

    @property
    def declared(self) -> Iterator[int]:
        """Yield the digests of all parameters that it declares."""
        return chain(self.awaited, self.written)

    @property
    def has_parameters(self) -> bool:
        """Whether it declares any parameters."""
        return bool(self.awaited or self.written)

    @property
    def names(self) -> Iterator[int]:
        """Yield the digests of all parameters that it declares or reports."""
        return chain(self.declared, self.reported)

    @property
    def refs(self) -> Iterator[int]:
        """Yield a number for each of its parameters: another one where status has it."""
        yield from chain(self.written, self.reported)
        yield from (digest ^ AWAITED for digest in self.awaited)

    def has(self, digest: int) -> bool:
        """Whether it declares or reports a parameter."""
        return self.declares(digest) or contains(self.reported, digest)

    def declares(self, digest: int) -> bool:
        """Whether it declares a parameter."""
        return contains(self.written, digest) or contains(self.awaited, digest)

    @property
    def identifiers(self) -> set[int]:
        """Return the digests of its resources in events."""
        return {fingerprint(identifier) for identifier, _name in self.resources}

    def is_elsewhere(self, target: Target | None) -> bool:
        """Whether it writes in another account or region than its target has now."""
        return target is not None and self.recorded is not None and not self.recorded.is_in(target)

    @property
    def released(self) -> Iterator[tuple[str, int]]:
        """Yield place and digest of each parameter that the object is about to release."""
        return ((self.region, digest) for digest in (() if self.suspended else self.reported))


class Group(NamedTuple):
    """Objects of a namespace with the same place and path that are found, or chosen as successors, by the same rules."""

    namespace: str
    target: str
    region: str
    needed_region: str
    """The region that their namespace needs a right to; empty for that of the operator or target, and where they need none since
    they had parameters in the target."""
    path: str
    had_parameters: bool
    """Their namespace once had the permission, and they may have parameters in AWS."""
    was_reported: bool
    adopts: bool
    accepts: bool

    @classmethod
    def of(cls, key: Key, entry: Entry) -> "Group":
        """Return the group of an object."""
        needed = "" if entry.target and entry.had_parameters else entry.needed_region
        place = key.namespace, entry.target, entry.region, needed, entry.path
        return cls(*place, entry.had_parameters, entry.was_reported, entry.adopts, entry.accepts)

    @property
    def slot(self) -> tuple[str, str, str]:
        """Return place and path, and in a target the needed region: only with that of the target are its objects searched."""
        return self.region, self.path, self.needed_region if self.target else ""

    @property
    def mark(self) -> int:
        """Return what makes digests of names different from those in other groups."""
        return fingerprint(repr(self))

"""The labels on versions: what the engine asks of them, and when they are removed so that they never harm anyone.

SSM keeps 100 versions, and takes no new one while the oldest carries a label.
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dynconfig.engine.declaration import Declaration, Place
from dynconfig.engine.errors import STOPPING, DynConfigError
from dynconfig.engine.resource import Owner, Resource, Unread, Versioned
from dynconfig.engine.undone import Kept

STABLE = "stable"
REJECTED = "rejected-"
# SSM keeps as many versions; the stable one may be among those that are gone.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
VERSIONS_KEPT = 100
# A label that is so many versions old is removed, long before SSM refuses everyone's write.
OLD_VERSIONS = 80
# History is read again after so many versions more.
LOOK_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """What the label `stable` says about resources."""

    unproved: tuple[Versioned, ...]
    """Those whose value is not that of their stable version."""
    stable: frozenset[str]
    """Names of those that have a stable version."""
    unread: tuple[Unread, ...] = ()
    """Those whose labels could not be read: nothing is known of them."""


class Labels(Protocol):
    """The labels on versions, which AWS keeps."""

    def proof(self, owned: Sequence[Versioned]) -> Proof:
        """What the label `stable` says about these."""

    def prove(self, owned: Iterable[Versioned]) -> tuple[Unread, ...]:
        """Move the label `stable` to the version that each of these has; answers those for which AWS refuses it."""

    def mark(self, owned: Versioned, label: str) -> None:
        """Move a label to the version that it has."""

    def forget(self, names: Iterable[str]) -> None:
        """Ask AWS anew about these names."""

    def unmark(self, kept: Kept, label: str) -> None:
        """Take a label off the version that carries it."""

    def at(self, known: Sequence[str], label: str) -> tuple[Kept, ...]:
        """What those of these names were that have a version with this label."""

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """Names of what the owner has."""

    def remove(self, name: str, newest: int | None = None) -> tuple[str, ...]:
        """Take the labels of this operator off all versions up to the newest; answers those that were removed."""


LabelsOf = Callable[[Place], Labels]


class LabelCleanup:
    """Removes labels whose reason has ended. Safe for many threads, one declaration of an owner at a time."""

    def __init__(self, labels_of: LabelsOf | None) -> None:
        self._labels_of = labels_of
        self._looked: dict[str, dict[str, int]] = {}

    def make_room(self, declaration: Declaration, owned: Iterable[Resource]) -> tuple[str, ...]:
        """Remove labels on which new versions pile up, whoever writes them; answers a sentence for each parameter."""
        looked = self._looked.setdefault(declaration.owner.uid, {})
        due = [
            item
            for item in owned
            if isinstance(item, Versioned)
            and item.version > OLD_VERSIONS
            and item.version - looked.get(item.name, 0) >= LOOK_VERSIONS
        ]
        if self._labels_of is None or declaration.deleting or not due:
            return ()
        labels = self._labels_of(declaration.place)
        looked.update({item.name: item.version for item in due})
        return tuple(text for item in due for text in _made_room(labels, item))

    def end_rollout(self, declaration: Declaration, owned: Iterable[Resource]) -> tuple[Unread, ...]:
        """Remove all labels of an object that declares no rollout any more; answers those for which AWS refuses it."""
        applied = declaration.applied
        if (
            self._labels_of is None
            or declaration.rollout
            or declaration.deleting
            or not applied
            or not applied.rolls_out
        ):
            return ()
        labels = self._labels_of(declaration.place)
        return each((item for item in owned if isinstance(item, Versioned)), lambda item: labels.remove(item.name))

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._looked.pop(uid, None)


def each(items: Iterable[Versioned], label: Callable[[Versioned], object]) -> tuple[Unread, ...]:
    """Label all items; answers those for which AWS refuses it. Raises what makes all further calls useless."""
    failed: list[Unread] = []
    for item in items:
        try:
            label(item)
        except STOPPING:
            raise
        except DynConfigError as error:
            failed.append(Unread(item.name, error))
    return tuple(failed)


def _made_room(labels: Labels, item: Versioned) -> tuple[str, ...]:
    try:
        removed = labels.remove(item.name, newest=item.version - OLD_VERSIONS)
    except DynConfigError as error:
        text = "failed to remove a label from an old version, which may soon make SSM reject every write"
        return (f"{item.title}: {text}: {error}",)
    why = f"SSM rejects every write once the oldest of {VERSIONS_KEPT} versions has a label"
    return (f"{item.title}: removed {', '.join(removed)}, because {why}",) if removed else ()

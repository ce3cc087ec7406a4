"""Labels on parameter versions: the interface of the engine, and their removal before they block writes.

SSM keeps 100 versions and rejects new ones while the oldest has a label.
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import STOPPING, DynConfigError
from dynconfig.model.object_state import ObjectState
from dynconfig.model.resource import Owner, Resource, Unread, Versioned
from dynconfig.rollout.rolled_back import LabelledVersion

STABLE = "stable"
REJECTED = "rejected-"
# SSM keeps this many versions; the stable one may be among the deleted ones.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
VERSIONS_KEPT = 100
# Labels this many versions old are removed, long before SSM rejects writes.
OLD_VERSIONS = 80
# History is read again after this many new versions.
LOOK_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class StableComparison:
    """How resources compare with their version labelled `stable`."""

    unstable: tuple[Versioned, ...]
    """Resources whose value differs from their stable version."""
    stable: frozenset[str]
    """Names of resources with a stable version."""
    unread: tuple[Unread, ...] = ()
    """Resources whose labels could not be read."""


class Labels(Protocol):
    """The labels on versions in AWS."""

    def compare_with_stable(self, owned: Sequence[Versioned]) -> StableComparison:
        """Compare these with their stable versions."""

    def mark_stable(self, owned: Iterable[Versioned]) -> tuple[Unread, ...]:
        """Move the label `stable` to the current version of each; return those for which AWS refuses it."""

    def set_label(self, owned: Versioned, label: str) -> None:
        """Move a label to its current version."""

    def forget(self, names: Iterable[str]) -> None:
        """Drop cached labels of these names."""

    def remove_label(self, kept: LabelledVersion, label: str) -> None:
        """Remove a label from its version."""

    def versions_with(self, known: Sequence[str], label: str) -> tuple[LabelledVersion, ...]:
        """Return the labelled version of each of these names that has one."""

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """Return the names the owner owns."""

    def remove(self, name: str, newest: int | None = None) -> tuple[str, ...]:
        """Remove this operator's labels from all versions up to `newest`; return the removed labels."""


LabelsOf = Callable[[Place], Labels]


class LabelCleanup:
    """Removes labels that are no longer needed. Thread-safe, except for concurrent calls for one owner."""

    def __init__(self, labels_of: LabelsOf | None, state: ObjectState[str]) -> None:
        self._labels_of = labels_of
        self._looked: dict[str, dict[str, int]] = state.new_map()

    def remove_old_labels(self, declaration: Declaration, owned: Iterable[Resource]) -> tuple[str, ...]:
        """Remove labels from old versions, regardless of who writes new ones; return a message for each parameter."""
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
        return tuple(text for item in due for text in _remove_old_labels(labels, item))

    def end_rollout(self, declaration: Declaration, owned: Iterable[Resource]) -> tuple[Unread, ...]:
        """Remove all labels of an object without a rollout; return the resources for which AWS refuses it."""
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
        return label_each(
            (item for item in owned if isinstance(item, Versioned)), lambda item: labels.remove(item.name)
        )


def label_each(items: Iterable[Versioned], label: Callable[[Versioned], object]) -> tuple[Unread, ...]:
    """Label all items; return those for which AWS refuses it. Raises errors that stop the whole run."""
    failed: list[Unread] = []
    for item in items:
        try:
            label(item)
        except STOPPING:
            raise
        except DynConfigError as error:
            failed.append(Unread(item.name, error))
    return tuple(failed)


def _remove_old_labels(labels: Labels, item: Versioned) -> tuple[str, ...]:
    try:
        removed = labels.remove(item.name, newest=item.version - OLD_VERSIONS)
    except DynConfigError as error:
        text = "failed to remove a label from an old version, which may soon make SSM reject every write"
        return (f"{item.title}: {text}: {error}",)
    why = f"SSM rejects every write once the oldest of {VERSIONS_KEPT} versions has a label"
    return (f"{item.title}: removed {', '.join(removed)}, because {why}",) if removed else ()

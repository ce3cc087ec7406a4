"""The labels on versions of parameters: which is the last good one, and which was made by a change that failed.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dynconfig.api.parameter import ParameterType
from dynconfig.engine.errors import Conflict, LabelLimit, NotFound
from dynconfig.engine.resource import Owner, Versioned
from dynconfig.engine.rollback import REJECTED, STABLE, VERSIONS_KEPT, Proof
from dynconfig.engine.secret import Secret
from dynconfig.engine.undone import Kept
from dynconfig.kinds.parameter import BATCH, Tagged
from dynconfig.kinds.parameter_value import Parameter

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient


class ParameterLabels:
    """Reads and moves labels of one place; remembers the version that is stable, and asks anew after a restart."""

    def __init__(self, ssm: "SSMClient", tagged: Tagged) -> None:
        self._ssm = ssm
        self._tagged = tagged
        self._stable: dict[str, int] = {}
        self._alike: dict[str, tuple[int, int, bool]] = {}

    def proof(self, owned: Sequence[Versioned]) -> Proof:
        """What the label `stable` says about these; a call for ten that it has not been asked about yet."""
        self._learn([item.name for item in owned if item.name not in self._stable])
        self._stable.update({item.name: 0 for item in owned if self._stable[item.name] <= item.version - VERSIONS_KEPT})
        moved = [item for item in owned if self._stable[item.name] != item.version and not _is_free(item)]
        self._compare([item for item in moved if self._key(item) != self._alike.get(item.name, ())[:2]])
        unproved = tuple(item for item in moved if not self._alike[item.name][2])
        return Proof(unproved, frozenset(item.name for item in owned if self._stable[item.name]))

    def prove(self, owned: Iterable[Versioned]) -> None:
        """Label the current version of each as stable, where it is not."""
        for item in owned:
            if self._stable.get(item.name) != item.version:
                self.mark(item, STABLE)
                self._stable[item.name] = item.version

    def mark(self, owned: Versioned, label: str) -> None:
        """A label lives on one version, so that this moves it."""
        try:
            self._mark(owned, label)
        except LabelLimit:
            self._unmark_old(owned)
            self._mark(owned, label)
        except NotFound:
            self._stable.pop(owned.name, None)
            raise Conflict(f"parameter {owned.name} went away this moment; looking again", delay=0.5) from None

    def unmark(self, kept: Kept, label: str) -> None:
        """Take a label off the version that carries it."""
        self._ssm.unlabel_parameter_version(Name=kept.name, ParameterVersion=kept.version, Labels=[label])

    def forget(self, names: Iterable[str]) -> None:
        """Believe nothing of these names any more: they were made or deleted, which takes labels along."""
        for name in names:
            self._stable.pop(name, None)
            self._alike.pop(name, None)

    def at(self, known: Sequence[str], label: str) -> tuple[Kept, ...]:
        """What those of these names were that have a version with this label, decrypted."""
        return tuple(
            Kept(answer["Name"], answer["Type"], _value(answer), answer["Version"])
            for answer in self._get(known, label, decrypt=True)
        )

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """Names of the parameters that carry the owner's tag, as far as the index knows."""
        self._tagged.look(owner, closely=True)
        return tuple(self._tagged.owned(owner.tag))

    def _mark(self, owned: Versioned, label: str) -> None:
        answer = self._ssm.label_parameter_version(Name=owned.name, ParameterVersion=owned.version, Labels=[label])
        # A bad label is no error for SSM.
        assert not answer.get("InvalidLabels"), f"SSM refuses the label {label}"  # noqa: S101 - a bug of ours

    def _unmark_old(self, owned: Versioned) -> None:
        """Make room on a version: that generations failed long ago is of no use any more."""
        pages = self._ssm.get_paginator("get_parameter_history").paginate(Name=owned.name, WithDecryption=False)
        versions = (item for page in pages for item in page["Parameters"] if item["Version"] == owned.version)
        old = [label for item in versions for label in item.get("Labels", []) if label.startswith(REJECTED)]
        if old:
            self._ssm.unlabel_parameter_version(Name=owned.name, ParameterVersion=owned.version, Labels=old)

    def _learn(self, names: Sequence[str]) -> None:
        found = {answer["Name"]: answer["Version"] for answer in self._get(names, STABLE, decrypt=False)}
        self._stable.update({name: found.get(name, 0) for name in names})

    def _compare(self, moved: Sequence[Versioned]) -> None:
        """Whether the current value is that of the stable version, as after somebody's change was put back."""
        labelled = [item.name for item in moved if self._stable[item.name]]
        stable = {kept.name: (kept.type, kept.value) for kept in self.at(labelled, STABLE)}
        for item in moved:
            is_alike = (item.type, _as_read(item)) == stable.get(item.name)
            self._alike[item.name] = (*self._key(item), is_alike)

    def _key(self, item: Versioned) -> tuple[int, int]:
        return item.version, self._stable[item.name]

    def _get(self, names: Sequence[str], label: str, *, decrypt: bool) -> Iterator[Any]:
        for start in range(0, len(names), BATCH):
            selected = [f"{name}:{label}" for name in names[start : start + BATCH]]
            yield from self._ssm.get_parameters(Names=selected, WithDecryption=decrypt)["Parameters"]


def _is_free(item: Versioned) -> bool:
    """Whether its value is somebody else's business."""
    return isinstance(item, Parameter) and item.value is None


def _value(answer: Any) -> str | Secret:
    return Secret(answer["Value"]) if answer["Type"] == ParameterType.SECURE_STRING else str(answer["Value"])


def _as_read(item: Versioned) -> str | Secret | None:
    """The value as SSM answers it: a text of a Secret may stand in a plain String."""
    value = item.value if isinstance(item, Parameter) else None
    is_plain = isinstance(value, Secret) and item.type != ParameterType.SECURE_STRING
    return str(value.reveal()) if is_plain and isinstance(value, Secret) else value

"""The labels on versions of parameters: which is the last good one, and which was made by a change that failed.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynconfig.api.parameter import ParameterType
from dynconfig.engine.errors import STOPPING, Conflict, DynConfigError, LabelLimit, NotFound
from dynconfig.engine.labels import REJECTED, STABLE, VERSIONS_KEPT, Proof, each
from dynconfig.engine.resource import Owner, Unread, Versioned
from dynconfig.engine.secret import Secret
from dynconfig.engine.undone import Kept
from dynconfig.kinds import own_labels
from dynconfig.kinds.parameter import BATCH
from dynconfig.kinds.parameter_details import batches
from dynconfig.kinds.parameter_ownership import Tagged
from dynconfig.kinds.parameter_read import read
from dynconfig.kinds.parameter_value import Parameter
from dynconfig.kinds.parameter_write import Writing
from dynconfig.kinds.partial_reads import PartialReads

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient


@dataclass(frozen=True, slots=True)
class _Known:
    """What AWS answered about the label `stable`, true only while the parameter is at this version of this moment."""

    version: int
    last_modified: float | None
    stable: int
    """The version that carries the label; 0 if there is none."""
    is_alike: bool
    """Whether the current value is that of the stable version."""

    def is_about(self, item: Versioned) -> bool:
        """Whether it still holds: a parameter that was deleted and created again has another moment."""
        return item.last_modified is not None and (self.version, self.last_modified) == (
            item.version,
            item.last_modified,
        )


_MOVED = "the owner of parameter {} changed concurrently; retrying"


class ParameterLabels:
    """Reads and moves labels of one place; remembers the stable version while nothing is written to the parameter."""

    def __init__(self, ssm: "SSMClient", tagged: Tagged) -> None:
        self._ssm = ssm
        self._tagged = tagged
        self._known: dict[str, _Known] = {}

    def proof(self, owned: Sequence[Versioned]) -> Proof:
        """What the label `stable` says about these; a call for ten that were written since it was last asked."""
        unread = self._learn([item for item in owned if not self._is_known(item)])
        failed = {item.name for item in unread}
        found = {item.name: self._known.get(item.name) for item in owned if item.name not in failed}
        # Another object has taken or given up what was read a moment ago.
        moved = (Unread(name, Conflict(_MOVED.format(name), delay=0.5)) for name, about in found.items() if not about)
        unread = (*unread, *moved)
        known = {name: about for name, about in found.items() if about}
        read = [item for item in owned if item.name in known]
        unproved = tuple(item for item in read if not known[item.name].is_alike and not _is_free(item))
        return Proof(unproved, frozenset(name for name, about in known.items() if about.stable), unread)

    def prove(self, owned: Iterable[Versioned]) -> tuple[Unread, ...]:
        """Label the current version of each as stable, where it is not; answers those for which AWS refuses it."""
        return each(owned, self._prove)

    def _prove(self, item: Versioned) -> None:
        known = self._known.get(item.name)
        if known is None or not known.is_about(item) or known.stable != item.version:
            self.mark(item, STABLE)
            self._known[item.name] = _Known(item.version, item.last_modified, item.version, is_alike=True)

    def mark(self, owned: Versioned, label: str) -> None:
        """A label lives on one version, so that this moves it."""
        try:
            self._mark(owned, label)
        except LabelLimit:
            self._unmark_old(owned)
            self._mark(owned, label)
        except NotFound:
            self._known.pop(owned.name, None)
            raise Conflict(f"parameter {owned.name} was deleted concurrently; retrying", delay=0.5) from None

    def unmark(self, kept: Kept, label: str) -> None:
        """Take a label off the version that carries it."""
        self._ssm.unlabel_parameter_version(Name=kept.name, ParameterVersion=kept.version, Labels=[label])

    def forget(self, names: Iterable[str]) -> None:
        """Ask AWS anew about these names."""
        for name in names:
            self._known.pop(name, None)

    def forgetting(self, writing: Writing) -> Writing:
        """Forget what is known of a parameter whenever this process writes or deletes it."""

        def write(operation: str, names: Sequence[str]) -> AbstractContextManager[None]:
            self.forget(names)
            return writing(operation, names)

        return write

    def at(self, known: Sequence[str], label: str) -> tuple[Kept, ...]:
        """What those of these names were that have a version with this label, decrypted; without those that are denied."""
        return tuple(
            Kept(answer["Name"], answer["Type"], _value(answer), answer["Version"])
            for answer in self._get(known, label, PartialReads(), decrypt=True).values()
            if not answer["unreadable"]
        )

    def remove(self, name: str, newest: int | None = None) -> tuple[str, ...]:
        """Take our labels off all versions up to the newest; what is gone already has none."""
        try:
            return own_labels.remove(self._ssm, name, newest)
        except NotFound:
            return ()
        finally:
            # Not before: they may be read meanwhile.
            self.forget([name])

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

    def _is_known(self, item: Versioned) -> bool:
        # One look at it: another object may forget it at any moment.
        known = self._known.get(item.name)
        return known is not None and known.is_about(item)

    def _learn(self, items: Sequence[Versioned]) -> tuple[Unread, ...]:
        """Ask which version is stable, and whether the current value is the same as there; secrets only where it moved.

        Answers those of which it could not be read.
        """
        reads = PartialReads()
        try:
            answers = self._get([item.name for item in items], STABLE, reads, decrypt=False)
        except STOPPING:
            raise
        except DynConfigError as error:
            return tuple(Unread(item.name, error) for item in items)
        items = [item for item in items if item.name not in reads]
        # AWS may answer with a version that it has just deleted.
        found = {i.name: answers[i.name] for i in items if i.name in answers and _is_kept(answers[i.name], i)}
        moved = [i.name for i in items if i.name in found and found[i.name]["Version"] != i.version and not _is_free(i)]
        secret = [name for name in moved if found[name]["Type"] == ParameterType.SECURE_STRING]
        stable = {name: (found[name]["Type"], _value(found[name])) for name in moved if name not in secret}
        stable.update({kept.name: (kept.type, kept.value) for kept in self.at(secret, STABLE)})
        for item in items:
            version = found[item.name]["Version"] if item.name in found else 0
            is_alike = version == item.version or (item.type, _as_read(item)) == stable.get(item.name)
            self._known[item.name] = _Known(item.version, item.last_modified, version, is_alike)
        return tuple(reads.unread)

    def _get(
        self, names: Sequence[str], label: str, reads: PartialReads, *, decrypt: bool
    ) -> dict[str, dict[str, Any]]:
        """By name, the version with the label of each that has one and can be read."""

        def get(batch: Sequence[str]) -> dict[str, dict[str, Any]]:
            answers = read(self._ssm, [f"{name}:{label}" for name in batch], decrypt=decrypt)
            return {answer["Name"]: answer for answer in answers}

        return reads.in_batches(list(batches(names, BATCH)), get)


def _is_free(item: Versioned) -> bool:
    """Whether its value is somebody else's business."""
    return isinstance(item, Parameter) and item.value is None


def _is_kept(answer: Any, item: Versioned) -> bool:
    """Whether SSM still has the version: it keeps the newest hundred."""
    return bool(answer["Version"] > item.version - VERSIONS_KEPT)


def _value(answer: Any) -> str | Secret:
    return Secret(answer["Value"]) if answer["Type"] == ParameterType.SECURE_STRING else str(answer["Value"])


def _as_read(item: Versioned) -> str | Secret | None:
    """The value as SSM answers it: a text of a Secret may stand in a plain String."""
    value = item.value if isinstance(item, Parameter) else None
    is_plain = isinstance(value, Secret) and item.type != ParameterType.SECURE_STRING
    return str(value.reveal()) if is_plain and isinstance(value, Secret) else value

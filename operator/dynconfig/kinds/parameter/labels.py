"""Labels on parameter versions: the last stable version, and versions written by a failed change.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.parameter import ParameterType
from dynconfig.kinds._shared.context import Writing
from dynconfig.kinds._shared.tags import TagIndex
from dynconfig.kinds.parameter import own_labels
from dynconfig.kinds.parameter.descriptions import batches
from dynconfig.kinds.parameter.parameters import BATCH
from dynconfig.kinds.parameter.partial_reads import PartialReads
from dynconfig.kinds.parameter.read import read
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.errors import STOPPING, AccessDenied, Conflict, DynConfigError, LabelLimit, NotFound
from dynconfig.model.resource import Owner, Unread, Versioned
from dynconfig.model.secret import Secret
from dynconfig.model.ttl_cache import TtlCache
from dynconfig.rollout.labels import REJECTED, STABLE, VERSIONS_KEPT, StableComparison, label_each
from dynconfig.rollout.rolled_back import LabelledVersion

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient


@dataclass(frozen=True, slots=True)
class _Known:
    """The location of the label `stable`; valid only while version and modification time are unchanged."""

    stable: int
    """The version with the label; 0 if there is none."""
    is_alike: bool
    """Whether the current value equals that of the stable version."""


_MOVED = "the owner of parameter {} changed concurrently; retrying"


class ParameterLabels:
    """Read and move the labels of one place; the stable version is cached until the parameter is written."""

    def __init__(self, ssm: "SSMClient", tag_index: TagIndex) -> None:
        self._ssm = ssm
        self._tag_index = tag_index
        self._known = TtlCache[str, _Known]()
        self._keys = TtlCache[str, str]()

    def compare_with_stable(self, owned: Sequence[Versioned]) -> StableComparison:
        """Return which parameters are at their stable version; one call for ten that were written since the last time."""
        unread = self._learn([item for item in owned if self._known_of(item) is None])
        failed = {item.name for item in unread}
        found = {item.name: self._known.get(item.name) for item in owned if item.name not in failed}
        # The owner changed since the labels were read.
        moved = (Unread(name, Conflict(_MOVED.format(name), delay=0.5)) for name, about in found.items() if not about)
        unread = (*unread, *moved)
        known = {name: about for name, about in found.items() if about}
        read = [item for item in owned if item.name in known]
        unstable = tuple(item for item in read if not known[item.name].is_alike and not _is_free(item))
        return StableComparison(unstable, frozenset(name for name, about in known.items() if about.stable), unread)

    def mark_stable(self, owned: Iterable[Versioned]) -> tuple[Unread, ...]:
        """Label the current version of each as stable. Returns those for which AWS rejects the call."""
        return label_each(owned, self._prove)

    def _prove(self, item: Versioned) -> None:
        known = self._known_of(item)
        if known is None or known.stable != item.version:
            self.set_label(item, STABLE)
            self._known.put(item.name, _Known(item.version, is_alike=True), version=_version_of(item))

    def set_label(self, owned: Versioned, label: str) -> None:
        """Put a label on the current version; SSM moves it from the version that has it."""
        try:
            self._mark(owned, label)
        except LabelLimit:
            self._unmark_old(owned)
            self._mark(owned, label)
        except NotFound:
            self.forget([owned.name])
            raise Conflict(f"parameter {owned.name} was deleted concurrently; retrying", delay=0.5) from None

    def remove_label(self, kept: LabelledVersion, label: str) -> None:
        """Remove a label from its version."""
        self._ssm.unlabel_parameter_version(Name=kept.name, ParameterVersion=kept.version, Labels=[label])

    def forget(self, names: Iterable[str]) -> None:
        """Drop these names from the cache."""
        self._known.forget(names)

    def forgetting(self, writing: Writing) -> Writing:
        """Wrap `writing` so that the cache drops a parameter when this process writes or deletes it."""

        def write(operation: str, names: Sequence[str]) -> AbstractContextManager[None]:
            self.forget(names)
            return writing(operation, names)

        return write

    def versions_with(self, known: Sequence[str], label: str) -> tuple[LabelledVersion, ...]:
        """Return the decrypted versions with this label; parameters without the label or with an unusable key are omitted.

        Stable versions have their KMS keys, as far as the history of the parameter can be read.
        """
        found = self._readable(known, label)
        return tuple(
            replace(kept, kms_key=self._key_of(kept.name, answer)) if _needs_key(kept, label) else kept
            for kept, answer in found
        )

    def remove(self, name: str, newest: int | None = None) -> tuple[str, ...]:
        """Remove the operator's labels from all versions up to `newest`. Returns nothing if the parameter does not exist."""
        try:
            return own_labels.remove(self._ssm, name, newest)
        except NotFound:
            return ()
        finally:
            # Only now: they may be read until they are removed.
            self.forget([name])

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """Return the names of the parameters with the owner's tag, according to the index."""
        self._tag_index.refresh(owner, bypass_cache=True)
        return tuple(self._tag_index.owned(owner.tag))

    def _readable(self, known: Sequence[str], label: str) -> list[tuple[LabelledVersion, dict[str, Any]]]:
        """Return the decrypted versions with this label, without KMS keys, each with the response that has it."""
        return [
            (LabelledVersion(answer["Name"], answer["Type"], _value(answer), answer["Version"]), answer)
            for answer in self._get(known, label, PartialReads(), decrypt=True).values()
            if not answer["unreadable"]
        ]

    def _key_of(self, name: str, answer: dict[str, Any]) -> str:
        """Return the KMS key of a version; empty if it is not in the history or AWS denies reading that.

        Only the history has the keys of earlier versions, and they never change.
        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterHistory.html
        """
        version = (answer["Version"], answer["LastModifiedDate"])
        known = self._keys.get(name, version=version)
        if known is not None:
            return known
        pages = self._ssm.get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
        try:
            found = next((i for page in pages for i in page["Parameters"] if i["Version"] == answer["Version"]), None)
        except (AccessDenied, NotFound):
            return ""
        key = found.get("KeyId", "") if found else ""
        if key:
            self._keys.put(name, key, version=version)
        return key

    def _mark(self, owned: Versioned, label: str) -> None:
        answer = self._ssm.label_parameter_version(Name=owned.name, ParameterVersion=owned.version, Labels=[label])
        # SSM reports an invalid label in the response, not as an error.
        assert not answer.get("InvalidLabels"), f"SSM refuses the label {label}"  # noqa: S101 - a bug of ours

    def _unmark_old(self, owned: Versioned) -> None:
        """Remove the labels of earlier failed generations: a version can have ten labels."""
        pages = self._ssm.get_paginator("get_parameter_history").paginate(Name=owned.name, WithDecryption=False)
        versions = (item for page in pages for item in page["Parameters"] if item["Version"] == owned.version)
        old = [label for item in versions for label in item.get("Labels", []) if label.startswith(REJECTED)]
        if old:
            self._ssm.unlabel_parameter_version(Name=owned.name, ParameterVersion=owned.version, Labels=old)

    def _known_of(self, item: Versioned) -> _Known | None:
        """Return what is known of this version: a recreated parameter has another modification time."""
        return None if item.last_modified is None else self._known.get(item.name, version=_version_of(item))

    def _learn(self, items: Sequence[Versioned]) -> tuple[Unread, ...]:
        """Read which version is stable and whether its value equals the current one; decrypt only if the versions differ.

        Returns the parameters that could not be read.
        """
        reads = PartialReads()
        try:
            answers = self._get([item.name for item in items], STABLE, reads, decrypt=False)
        except STOPPING:
            raise
        except DynConfigError as error:
            return tuple(Unread(item.name, error) for item in items)
        items = [item for item in items if item.name not in reads]
        # AWS may return a version that it has just deleted.
        found = {i.name: answers[i.name] for i in items if i.name in answers and _is_kept(answers[i.name], i)}
        moved = [i.name for i in items if i.name in found and found[i.name]["Version"] != i.version and not _is_free(i)]
        secret = [name for name in moved if found[name]["Type"] == ParameterType.SECURE_STRING]
        stable = {name: (found[name]["Type"], _value(found[name])) for name in moved if name not in secret}
        stable.update({kept.name: (kept.type, kept.value) for kept, _ in self._readable(secret, STABLE)})
        for item in items:
            version = found[item.name]["Version"] if item.name in found else 0
            is_alike = version == item.version or (item.type, _as_read(item)) == stable.get(item.name)
            self._known.put(item.name, _Known(version, is_alike), version=_version_of(item))
        return tuple(reads.unread)

    def _get(
        self, names: Sequence[str], label: str, reads: PartialReads, *, decrypt: bool
    ) -> dict[str, dict[str, Any]]:
        """Return the labelled version of each parameter that has one and can be read, by name."""

        def get(batch: Sequence[str]) -> dict[str, dict[str, Any]]:
            answers = read(self._ssm, [f"{name}:{label}" for name in batch], decrypt=decrypt)
            return {answer["Name"]: answer for answer in answers}

        return reads.in_batches(list(batches(names, BATCH)), get)


def _needs_key(kept: LabelledVersion, label: str) -> bool:
    """Return whether the version may be written again and is encrypted."""
    return label == STABLE and kept.type == ParameterType.SECURE_STRING


def _version_of(item: Versioned) -> tuple[int, float | None]:
    return item.version, item.last_modified


def _is_free(item: Versioned) -> bool:
    """Return whether its value is not managed."""
    return isinstance(item, Parameter) and item.value is None


def _is_kept(answer: Any, item: Versioned) -> bool:
    """Return whether SSM still has the version: it keeps the newest 100."""
    return bool(answer["Version"] > item.version - VERSIONS_KEPT)


def _value(answer: Any) -> str | Secret:
    return Secret(answer["Value"]) if answer["Type"] == ParameterType.SECURE_STRING else str(answer["Value"])


def _as_read(item: Versioned) -> str | Secret | None:
    """Return the value as SSM returns it: a Secret's text may be in a plaintext String."""
    value = item.value if isinstance(item, Parameter) else None
    is_plain = isinstance(value, Secret) and item.type != ParameterType.SECURE_STRING
    return str(value.reveal()) if is_plain and isinstance(value, Secret) else value

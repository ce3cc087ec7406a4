"""What the Leases of shards and replicas say."""

from dataclasses import dataclass

from dynconfig.api import names
from dynconfig.kube.client import Document

SHARDS = f"{names.GROUP}/shards"
"""Annotation of a lease: how many shards its holder counts. Replicas that count differently never serve at the same time."""
UNFINISHED = f"{names.GROUP}/unfinished"
"""Annotation of a released lease: its holder had received changes that it did not reconcile."""


@dataclass(frozen=True, slots=True)
class ObservedLease:
    """A lease as last listed."""

    document: Document
    at: float
    """When this version was first observed."""

    @property
    def holder(self) -> str:
        """The identity of the replica that holds it; empty if none does."""
        return str(self.document["spec"].get("holderIdentity") or "")

    @property
    def shards(self) -> str:
        """How many shards its holder counts; empty if it does not say."""
        return str((self.document["metadata"].get("annotations") or {}).get(SHARDS, ""))

    @property
    def is_unfinished(self) -> bool:
        """Whether it was released with changes left, or closed."""
        return not self.holder and UNFINISHED in (self.document["metadata"].get("annotations") or {})

    def is_finished(self, shards: int) -> bool:
        """Whether its holder released it, had reconciled all changes, and counted the same shards: the same objects."""
        return not self.holder and not self.is_unfinished and self.shards == str(shards)

    def is_live(self, now: float, duration: float) -> bool:
        """Whether its holder may still write."""
        seconds = self.document["spec"].get("leaseDurationSeconds") or 0
        return bool(self.holder) and now < self.at + max(float(seconds), duration)


def has_same_term(current: Document, document: Document) -> bool:
    """Return whether a lease has only been renewed since: it was not acquired again."""
    fields = ("holderIdentity", "acquireTime", "leaseTransitions")
    return all((current.get("spec") or {}).get(field) == document["spec"].get(field) for field in fields)


def closed(document: Document) -> Document:
    """Return a lease that is free and unfinished, whatever its holder still writes: it is no longer of the same term."""
    return {**unfinished(document), "spec": {**document["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}


def unfinished(document: Document) -> Document:
    """Return a lease with the mark that its holder leaves changes."""
    metadata = document["metadata"]
    return {
        **document,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), UNFINISHED: "true"}},
    }

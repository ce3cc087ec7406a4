"""The expected state of AWS, derived only from what users wrote: independent of engine and status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sequences.account import Stored
from tests.sequences.cluster import Cluster, Document

from dynconfig.api import names
from dynconfig.model.key import Key

PATH = "/shop"
CLUSTER = "cluster"
SAFE_DELETIONS = 2
"""As many parameters may be deleted by one edit without approval, whatever their share."""


@dataclass(frozen=True)
class Wanted:
    """One object as its user declares it."""

    key: Key
    uid: str
    generation: int
    values: Mapping[str, str | None]
    """By full name; None where the Secret has no such key."""
    secret: frozenset[str]
    retained: frozenset[str]
    """Names whose parameter has deletionPolicy Retain, or Delete in an object with Retain: the parameter's value applies."""
    deleted: frozenset[str]
    retains: bool
    adopts: bool
    corrects: bool
    suspended: bool
    rolls_back: bool
    has_rollout: bool
    team: str
    deleting: bool
    approved: int | None
    is_valid: bool
    """Its rules are satisfied; otherwise nothing of it is written."""

    @classmethod
    def of(cls, document: Document, cluster: Cluster) -> "Wanted":
        """The declaration in a document."""
        metadata, spec = document["metadata"], document["spec"]
        listed = spec.get("parameters", [])
        policies = {f"{spec['path']}/{item['name']}": item.get("deletionPolicy") for item in listed}
        rollout = spec.get("rollout")
        approved = metadata["annotations"].get(names.APPROVE_GENERATION)
        return cls(
            key=Key(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata["generation"],
            values={f"{spec['path']}/{item['name']}": _value(item, metadata["namespace"], cluster) for item in listed},
            secret=frozenset(f"{spec['path']}/{item['name']}" for item in listed if "valueFrom" in item),
            retained=frozenset(name for name, policy in policies.items() if policy == "Retain"),
            deleted=frozenset(name for name, policy in policies.items() if policy == "Delete"),
            retains=spec.get("deletionPolicy") == "Retain",
            adopts=spec.get("adoptionPolicy") == "IfUnowned",
            corrects=spec.get("driftPolicy", "Correct") == "Correct",
            suspended=bool(spec.get("suspend")),
            rolls_back=rollout is not None,
            has_rollout=rollout is not None,
            team=spec.get("tags", {}).get("team", ""),
            deleting="deletionTimestamp" in metadata,
            approved=int(approved) if approved else None,
            is_valid=not spec.get("rules"),
        )

    @property
    def is_usable(self) -> bool:
        """Whether its spec can be applied: it is valid, and all its Secret keys exist."""
        return self.deleting or (self.is_valid and None not in self.values.values())

    @property
    def is_written(self) -> bool:
        """Whether anything of it may be written."""
        return self.is_usable and not self.suspended

    @property
    def owner(self) -> str:
        """The owner tag of its resources."""
        return f"{CLUSTER}/{self.key.namespace}/{self.key.name}/{self.uid}"

    @property
    def declares(self) -> frozenset[str]:
        """The names that it declares."""
        return frozenset() if self.deleting else frozenset(self.values)

    def succeeds(self, owner: str) -> bool:
        """Whether that is the tag of an earlier object of the same name."""
        return owner != self.owner and owner.rpartition("/")[0] == self.owner.rpartition("/")[0]


def wishes(cluster: Cluster) -> dict[str, Wanted]:
    """All existing objects by uid."""
    found = [Wanted.of(document, cluster) for document in list(cluster.objects.values())]
    return {wanted.uid: wanted for wanted in found}


@dataclass
class Ghost:
    """The history, as far as it affects the expected state."""

    unmanaged: dict[str, Stored] = field(default_factory=dict)
    """Parameters that another owner created, unchanged."""
    foreign: dict[str, set[str]] = field(default_factory=dict)
    """External changes of our parameters since they were last in sync: `value`, `tag`, `gone`."""
    left: set[str] = field(default_factory=set)
    """Released on purpose: they have no owner and stay."""
    made_in: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The uid and generation that created a parameter."""
    listed: dict[str, dict[str, str]] = field(default_factory=dict)
    """The deletionPolicy under which an object listed a name last, by uid; empty where the object's own counts."""
    past: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """All values that an object declared of a name, by uid."""
    stable: dict[str, dict[str, str]] = field(default_factory=dict)
    """The values of the last generation that proved itself, by uid."""
    fired: set[str] = field(default_factory=set)
    """Objects whose alarm fired since they were last in order."""
    undone: dict[str, tuple[int, frozenset[tuple[str, str | None]]]] = field(default_factory=dict)
    """The generation that was rolled back, and its spec, by uid."""

    def note(self, wanted: Iterable[Wanted]) -> None:
        """The declared state."""
        for item in wanted:
            for name, value in item.values.items():
                if value is not None:
                    self.past.setdefault(item.uid, {}).setdefault(name, set()).add(value)
                policy = "Retain" if name in item.retained else "Delete" if name in item.deleted else ""
                self.listed.setdefault(item.uid, {})[name] = policy

    def retains(self, wanted: Wanted, name: str) -> bool:
        """Whether a parameter stays when this object no longer declares it."""
        said = self.listed.get(wanted.uid, {}).get(name, "")
        return said == "Retain" or (not said and wanted.retains)


def _value(item: Mapping[str, Any], namespace: str, cluster: Cluster) -> str | None:
    if "value" in item:
        return str(item["value"])
    reference = item["valueFrom"]["secretKeyRef"]
    return cluster.secrets.get((namespace, reference["name"]), {}).get(reference["key"])

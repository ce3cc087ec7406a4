"""What must be true when the operator is idle: AWS equals the model, and each status is correct."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.sequences import account
from tests.sequences.account import Stored
from tests.sequences.cluster import Cluster, Document, key_of
from tests.sequences.reference import CLUSTER, SAFE_DELETIONS, Ghost, Wanted, wishes

from dynconfig.model.key import Key
from dynconfig_lab.aws.cloudwatch_alarm import Alarm

IN_ORDER = ("InSync", "DriftReported")


@dataclass
class Judge:
    """Compares AWS with the declared state."""

    cluster: Cluster
    ghost: Ghost

    def faults(self) -> Iterator[str]:
        """All deviations."""
        stored = account.parameters()
        objects = wishes(self.cluster)
        yield from self._foreign(stored)
        yield from self._orphans(stored, objects)
        for document in self.cluster.objects.values():
            wanted = Wanted.of(document, self.cluster)
            for fault in self._object(document, wanted, stored, objects):
                yield f"{wanted.key} (generation {wanted.generation}): {fault}"

    def note(self) -> None:
        """Record what is in order now: which versions are stable, and that no external change is left."""
        stored = account.parameters()
        for document in self.cluster.objects.values():
            wanted, (ready, reason) = Wanted.of(document, self.cluster), condition(document)
            if reason == "RolledBack":
                self.ghost.undone[wanted.uid] = (wanted.generation, _declared(wanted))
            if ready == "True" and not wanted.suspended and not wanted.deleting:
                self._note_stable(document, wanted, stored)
                if reason == "InSync":
                    self.ghost.foreign = {n: what for n, what in self.ghost.foreign.items() if n not in wanted.declares}

    def _note_stable(self, document: Document, wanted: Wanted, stored: Mapping[str, Stored]) -> None:
        if not wanted.has_rollout:
            self.ghost.stable.pop(wanted.uid, None)
        elif "bake" not in document["status"]:
            self.ghost.stable[wanted.uid] = {name: stored[name].value for name in wanted.declares if name in stored}
            if not firing(document):
                self.ghost.fired.discard(wanted.uid)

    def _foreign(self, stored: Mapping[str, Stored]) -> Iterator[str]:
        for name, was in self.ghost.unmanaged.items():
            if stored.get(name) != was:
                yield f"{name} is not owned by the operator and was changed: {was} is now {stored.get(name)}"

    def _orphans(self, stored: Mapping[str, Stored], objects: Mapping[str, Wanted]) -> Iterator[str]:
        for name, item in stored.items():
            if name in self.ghost.unmanaged or item.uid in objects:
                continue
            if item.owner.startswith(f"{CLUSTER}/"):
                yield f"{name} is owned by {item.owner}, which does not exist"
            elif name not in self.ghost.left:
                yield f"{name} has lost its owner without a request"
            elif ours := [label for label in item.labels if label == "stable" or label.startswith("rejected-")]:
                yield f"{name} was released and carries our label {ours[0]}"
        for name, alarm in account.alarms().items():
            owner = account.owner_of(alarm)
            # A deliberately released one has no owner.
            if owner and owner.rpartition("/")[2] not in objects:
                yield f"alarm {name} is owned by {owner}, which does not exist"

    def _object(
        self, document: Document, wanted: Wanted, stored: Mapping[str, Stored], objects: Mapping[str, Wanted]
    ) -> Iterator[str]:
        ready, reason = condition(document)
        if wanted.suspended:
            return
        if wanted.deleting:
            yield f"it is still there: {reason}"
        elif ready == "True" and reason in IN_ORDER:
            yield from self._applied(document, wanted, stored)
        elif reason == "RolledBack":
            yield from self._undone(wanted, stored)
        else:
            yield from self._excused(document, wanted, stored, objects)

    def _applied(self, document: Document, wanted: Wanted, stored: Mapping[str, Stored]) -> Iterator[str]:
        if document["status"].get("appliedGeneration") != wanted.generation:
            yield f"it is Ready, and what is applied is {document['status'].get('appliedGeneration')}"
        rejected = self.ghost.undone.get(wanted.uid)
        if rejected == (wanted.generation, _declared(wanted)):
            yield "a rejected value is written again without an edit"
        values = {name: value or "" for name, value in wanted.values.items()}
        yield from self._compared(wanted, values, stored)
        for name, item in stored.items():
            if item.uid == wanted.uid and name not in wanted.declares:
                yield f"{name} is still there, and not declared any more"
        if not wanted.has_rollout:
            marked = [n for n in wanted.declares if n in stored and "stable" in stored[n].labels]
            if marked:
                yield f"{marked[0]} carries the label stable, and there is no rollout"

    def _undone(self, wanted: Wanted, stored: Mapping[str, Stored]) -> Iterator[str]:
        stable = self.ghost.stable.get(wanted.uid)
        if stable is None or wanted.uid not in self.ghost.fired:
            yield f"it was rolled back without a reason (stable: {stable})"
            return
        yield from self._compared(wanted, stable, stored)
        for name in wanted.declares - set(stable):
            if name in stored and self.ghost.made_in.get(name) == (wanted.uid, wanted.generation) and not wanted.adopts:
                yield f"{name} came with what was rolled back, and is still there"

    def _compared(self, wanted: Wanted, values: Mapping[str, str], stored: Mapping[str, Stored]) -> Iterator[str]:
        for name, value in values.items():
            item, foreign = stored.get(name), self.ghost.foreign.get(name, set())
            excused = foreign if not wanted.corrects else set[str]()
            if item is None:
                if "gone" not in excused:
                    yield f"{name} does not exist"
                continue
            if item.owner != wanted.owner:
                yield f"{name} is owned by {item.owner or 'no object'}"
            if item.value != value and not excused & {"value", "gone"}:
                yield f"{name} is {item.value}, and should be {value}"
            if (item.type == "SecureString") != (name in wanted.secret) and name in wanted.values:
                yield f"{name} is a {item.type}"
            if item.tags.get("team", "") != wanted.team and "tag" not in excused:
                yield f"{name} has the tags {dict(item.tags)}"

    def _excused(
        self, document: Document, wanted: Wanted, stored: Mapping[str, Stored], objects: Mapping[str, Wanted]
    ) -> Iterator[str]:
        """An object that is not in sync needs a correct reason, and keeps its resources."""
        ready, reason = condition(document)
        message = document["status"]["conditions"][0]["message"] if document["status"].get("conditions") else ""
        excuse = _EXCUSES.get(reason)
        if excuse is None or not excuse(self, document, wanted, stored, objects):
            yield f"{ready} {reason}: {message}"

    def _is_taken(self, _document: Any, wanted: Wanted, stored: Mapping[str, Stored], objects: Any) -> bool:
        """NotOwned: the name belongs to another declaring object, to another owner, or to none and must not be adopted."""
        for name in wanted.declares & set(stored):
            item = stored[name]
            owner = objects.get(item.uid)
            keeps = owner is not None and (name in owner.declares or owner.suspended or not owner.is_usable)
            is_wanted = owner is not None and owner.uid != wanted.uid and keeps
            is_foreign = owner is None and (bool(item.owner) or not wanted.adopts)
            if is_wanted or is_foreign or (owner is not None and self._is_stuck(owner)):
                return True
        # A released alarm has no owner, and only parameters can be adopted.
        return any(not account.owner_of(alarm) for alarm in alarms_of(wanted.key))

    def _is_stuck(self, owner: Wanted) -> bool:
        """Whether a parameter that another object no longer declares waits for approval or for a stable generation."""
        ready, reason = condition(self.cluster.objects[owner.key])
        return reason == "UnsafePlan" or (owner.has_rollout and ready != "True")

    def _is_unsafe(self, _document: Any, wanted: Wanted, stored: Mapping[str, Stored], _objects: Any) -> bool:
        mine = [name for name, item in stored.items() if item.uid == wanted.uid]
        going = [name for name in mine if name not in wanted.declares]
        is_most = len(going) > SAFE_DELETIONS and len(going) > len(mine) / 2
        return is_most and wanted.approved != wanted.generation

    def _is_firing(self, document: Document, wanted: Wanted, _stored: Any, _objects: Any) -> bool:
        return wanted.has_rollout and firing(document)

    def _is_sourceless(self, document: Any, wanted: Wanted, stored: Mapping[str, Stored], _objects: Any) -> bool:
        return None in wanted.values.values() and self._is_as_before(document, wanted, stored)

    def _is_invalid(self, document: Any, wanted: Wanted, stored: Mapping[str, Stored], _objects: Any) -> bool:
        return not wanted.is_valid and self._is_as_before(document, wanted, stored)

    def _is_as_before(self, document: Document, wanted: Wanted, stored: Mapping[str, Stored]) -> bool:
        """Whether an object with an invalid spec has its stable values, if an alarm has rolled back the last change."""
        status = document["status"]
        if "rollback" not in status:
            return not self._should_be_undone(status, wanted, stored)
        mine = {name: item.value for name, item in stored.items() if item.uid == wanted.uid}
        stable = self.ghost.stable.get(wanted.uid, {})
        return all(
            mine[name] == value for name, value in stable.items() if name in mine and name not in self.ghost.foreign
        )

    def _should_be_undone(self, status: Document, wanted: Wanted, stored: Mapping[str, Stored]) -> bool:
        """Whether an alarm has fired since the baking change began, and every value has a stable version."""
        mine = [item for item in stored.values() if item.uid == wanted.uid]
        if "bake" not in status or not wanted.rolls_back or wanted.suspended:
            return False
        if not mine or not all("stable" in item.labels for item in mine):
            return False
        stable = self.ghost.stable.get(wanted.uid, {})
        if all(stable.get(item.name) == item.value for item in mine):
            # Only deletions wait for the end of the bake time: there is no value to restore.
            return False
        since, until = (datetime.fromisoformat(status["bake"][end]).timestamp() for end in ("since", "until"))
        return any(since + 1.0 < at <= until for alarm in alarms_of(wanted.key) for at in account.firings(alarm.name))


def condition(document: Document) -> tuple[str, str]:
    """Status and reason of Ready."""
    found = document["status"].get("conditions")
    return (found[0]["status"], found[0]["reason"]) if found else ("", "no status")


def alarms_of(key: Key) -> list[Alarm]:
    """The alarms of an object."""
    mine = f"dynconfig-{key.namespace}-{key.name}/"
    return [alarm for name, alarm in account.alarms().items() if name.startswith(mine)]


def firing(document: Document) -> bool:
    """Whether an alarm of the object fires."""
    return any(alarm.state.value == "ALARM" for alarm in alarms_of(key_of(document)))


def _declared(wanted: Wanted) -> frozenset[tuple[str, str | None]]:
    return frozenset(wanted.values.items())


_EXCUSES = {
    "NotOwned": Judge._is_taken,
    "UnsafePlan": Judge._is_unsafe,
    "AlarmFiring": Judge._is_firing,
    "SourceMissing": Judge._is_sourceless,
    "InvalidSpec": Judge._is_invalid,
}

"""Checks each write to Parameter Store while it is made: who owns the parameter, and whether it was requested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sequences import account
from tests.sequences.account import Stored
from tests.sequences.cluster import Cluster
from tests.sequences.reference import SAFE_DELETIONS, Ghost, Wanted, wishes
from tests.sequences.wire import Call

from dynconfig.api.names import OWNER_TAG

OUR_LABELS = ("stable", "rejected-")


@dataclass
class Monitor:
    """Collects forbidden writes."""

    cluster: Cluster
    ghost: Ghost
    faults: list[str] = field(default_factory=list)

    def before(self, call: Call) -> None:
        """A write is about to be carried out."""
        check = _CHECKS.get(call.operation) if call.service == "ssm" else None
        if check is not None:
            check(self, call.request, wishes(self.cluster))

    def after(self, call: Call) -> None:
        """A write was carried out."""
        request = call.request
        if call.operation == "PutParameter" and not request.get("Overwrite"):
            self._created(str(request["Name"]))
        if call.operation == "RemoveTagsFromResource" and OWNER_TAG in request["TagKeys"]:
            self.ghost.left.add(str(request["ResourceId"]))
        if call.operation == "AddTagsToResource" and OWNER_TAG in _pairs(request):
            self.ghost.left.discard(str(request["ResourceId"]))
            self.ghost.unmanaged.pop(str(request["ResourceId"]), None)

    def _created(self, name: str) -> None:
        stored = account.parameter(name)
        owner = wishes(self.cluster).get(stored.uid) if stored else None
        self.ghost.left.discard(name)
        if owner is not None:
            self.ghost.made_in[name] = (owner.uid, owner.generation)

    def fault(self, call: str, name: str, why: str) -> None:
        """Record a forbidden write."""
        self.faults.append(f"{call} {name}: {why}")

    def put(self, request: Mapping[str, Any], objects: Mapping[str, Wanted]) -> None:
        """PutParameter: only by its owner, which declares it with this value."""
        name, current = str(request["Name"]), account.parameter(str(request["Name"]))
        is_new = not request.get("Overwrite")
        tag = _pairs(request).get(OWNER_TAG, "") if is_new else (current.owner if current else "")
        owner = objects.get(tag.rpartition("/")[2])
        if owner is None:
            self.fault("put", name, f"its owner {tag or 'none'} does not exist")
            return
        value = str(request["Value"])
        if name not in owner.declares and not self._may_undo(owner):
            self.fault("put", name, f"{owner.key} does not declare it")
        elif owner.suspended:
            self.fault("put", name, f"{owner.key} is suspended")
        elif value not in self._values(owner, name):
            self.fault("put", name, f"{owner.key} never wanted the value {value}")
        if not is_new and current is not None and _is_same(request, current):
            self.fault("put", name, "it is as it was: a version for nothing")

    def tag(self, request: Mapping[str, Any], objects: Mapping[str, Wanted]) -> None:
        """AddTagsToResource: the adopting object declares the parameter, and no other declaring object owns it."""
        name, current = str(request["ResourceId"]), account.parameter(str(request["ResourceId"]))
        tag = _pairs(request).get(OWNER_TAG)
        if tag is None or current is None or current.owner == tag:
            self._owned("tag", name, current, objects)
            return
        new, old = objects.get(tag.rpartition("/")[2]), objects.get(current.uid)
        is_handed_over = old is not None and name not in old.declares
        if new is None or name not in new.declares or (not is_handed_over and not new.is_written):
            self.fault("adopt", name, f"{tag} does not want it")
        elif old is not None and not old.is_usable:
            self.fault("adopt", name, f"the spec of {old.key} cannot be used, and {new.key} takes it")
        elif old is not None and name in old.declares:
            self.fault("adopt", name, f"{old.key} wants it, and {new.key} takes it")
        elif not current.owner.startswith("cluster/") and not (new.adopts and not current.owner):
            self.fault("adopt", name, f"it belongs to {current.owner or 'no object'}, and {new.key} may not adopt it")

    def untag(self, request: Mapping[str, Any], objects: Mapping[str, Wanted]) -> None:
        """RemoveTagsFromResource: releases what its owner no longer declares with Retain."""
        name, current = str(request["ResourceId"]), account.parameter(str(request["ResourceId"]))
        owner = self._owned("untag", name, current, objects)
        if owner is None or OWNER_TAG not in request["TagKeys"]:
            return
        if name in owner.declares:
            self.fault("release", name, f"{owner.key} wants it")
        elif not self.ghost.retains(owner, name) and not self._others(owner, name, objects):
            self.fault("release", name, f"{owner.key} wants it deleted")

    def delete(self, request: Mapping[str, Any], objects: Mapping[str, Wanted]) -> None:
        """DeleteParameters: what its owner wants deleted, and no other object declares."""
        for name in request["Names"]:
            current = account.parameter(name)
            if current is None:
                continue
            owner = self._owned("delete", name, current, objects)
            if owner is None:
                continue
            if name in owner.declares and not self._may_take_back(owner, name):
                self.fault("delete", name, f"{owner.key} declares it")
            elif name not in owner.declares and self.ghost.retains(owner, name):
                self.fault("delete", name, f"{owner.key} has deletionPolicy Retain")
            elif others := self._others(owner, name, objects):
                self.fault("delete", name, f"{others} declares it: its readers would fail")
            else:
                self._approved(owner, name, objects)

    def label(self, request: Mapping[str, Any], objects: Mapping[str, Wanted]) -> None:
        """LabelParameterVersion, UnlabelParameterVersion: our own labels, on our own parameters."""
        name, current = str(request["Name"]), account.parameter(str(request["Name"]))
        self._owned("label", name, current, objects)
        odd = [label for label in request["Labels"] if not label.startswith(OUR_LABELS)]
        if odd:
            self.fault("label", name, f"{odd[0]} is no label of ours")

    def _owned(self, call: str, name: str, current: Stored | None, objects: Mapping[str, Wanted]) -> Wanted | None:
        """The existing owner of the written parameter."""
        owner = objects.get(current.uid) if current is not None else None
        if current is not None and owner is None:
            self.fault(call, name, f"it belongs to {current.owner or 'no object'}")
        if owner is not None and owner.suspended and not owner.deleting:
            self.fault(call, name, f"{owner.key} is suspended")
        if owner is not None and not owner.is_usable and call in ("delete", "untag"):
            self.fault(call, name, f"the spec of {owner.key} cannot be used")
        return owner

    def _others(self, owner: Wanted, name: str, objects: Mapping[str, Wanted]) -> str:
        """Another object that declares the name and may adopt it, including a suspended one."""
        found = (item for item in objects.values() if item.uid != owner.uid and item.adopts)
        return next((str(item.key) for item in found if name in item.declares), "")

    def _approved(self, owner: Wanted, name: str, objects: Mapping[str, Wanted]) -> None:
        if owner.deleting or owner.approved == owner.generation:
            return
        mine = [item for item in account.parameters().values() if item.uid == owner.uid]
        going = [
            item.name
            for item in mine
            if item.name not in owner.declares
            and not self.ghost.retains(owner, item.name)
            and not self._others(owner, item.name, objects)
        ]
        if len(going) > SAFE_DELETIONS and len(going) > len(mine) / 2:
            self.fault("delete", name, f"{len(going)} of {len(mine)} of {owner.key} are deleted without approval")

    def _may_undo(self, owner: Wanted) -> bool:
        return owner.rolls_back and owner.uid in self.ghost.fired and not owner.deleting

    def _may_take_back(self, owner: Wanted, name: str) -> bool:
        """Whether a rollback may delete it: the object created it, and the last stable revision lacks it."""
        uid, _generation = self.ghost.made_in.get(name, ("", 0))
        return self._may_undo(owner) and uid == owner.uid and name not in self.ghost.stable.get(uid, {})

    def _values(self, owner: Wanted, name: str) -> set[str]:
        wanted = {owner.values.get(name) or ""} if owner.is_usable else set()
        return wanted | self.ghost.past.get(owner.uid, {}).get(name, set()) if self._may_undo(owner) else wanted


def _pairs(request: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def _is_same(request: Mapping[str, Any], current: Stored) -> bool:
    said = (request["Value"], request.get("Type", current.type), request.get("Description", ""))
    return said == (current.value, current.type, current.description)


_CHECKS: dict[str, Callable[[Monitor, Mapping[str, Any], Mapping[str, Wanted]], None]] = {
    "PutParameter": Monitor.put,
    "AddTagsToResource": Monitor.tag,
    "RemoveTagsFromResource": Monitor.untag,
    "DeleteParameters": Monitor.delete,
    "LabelParameterVersion": Monitor.label,
    "UnlabelParameterVersion": Monitor.label,
}

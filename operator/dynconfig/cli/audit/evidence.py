"""What was read for a report. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynconfig.cli.audit.objects import AuditedObject
from dynconfig.model.stored import RecordedPlace, spec_of


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """A parameter below the path of an object that has no owner."""

    account: str
    region: str
    name: str
    type: str
    version: int
    last_modified: str
    last_modified_by: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read for a report."""

    scope: str
    time: str
    """When it was read."""
    objects: list[AuditedObject]
    unmanaged: list[Unmanaged] | None
    """None if AWS was not searched."""
    events: list[Mapping[str, Any]] = field(default_factory=list)
    """Kubernetes Events about drift."""
    targets: list[Mapping[str, Any]] = field(default_factory=list)
    not_read: dict[str, str] = field(default_factory=dict)
    """What could not be read, with the reason."""

    def place_of(self) -> Callable[[AuditedObject], RecordedPlace]:
        """Return a function that returns the place of an object: recorded in its status, or else that of its target.

        Status does not record the account of the operator's own identity. It is in ARNs, if they name only one.
        """
        arns = (item.arn.split(":") for each in self.objects if not each.place.target for item in each.managed)
        found = {parts[4] for parts in arns if len(parts) > 5 and parts[4]}
        places = {"": RecordedPlace(account=found.pop() if len(found) == 1 else "")}
        for target in self.targets:
            spec = spec_of(target)
            places[target["metadata"]["name"]] = RecordedPlace(
                account=str(spec.get("account") or ""), region=str(spec.get("region") or "")
            )

        def place(each: AuditedObject) -> RecordedPlace:
            own, known = each.place, places.get(each.place.target, RecordedPlace())
            return RecordedPlace(own.target, own.account or known.account, own.region or known.region)

        return place

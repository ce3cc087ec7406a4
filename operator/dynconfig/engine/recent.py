"""Recently written resources: a deletion removes them by name even if reads do not return them yet.

Not a TtlCache: all resources of an object are listed, and their age is measured by the AWS clock of the reconcile.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dynconfig.model.declaration import Declaration
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import Create, Delete, Plan, Step, Update
from dynconfig.model.resource import Resource

# AWS control planes are eventually consistent; a longer lag counts as an outage.
RECENT_SECONDS = 300.0


class Recent:
    """The recent writes of each object. Each object must only be reconciled by one thread at a time."""

    def __init__(self, state: ObjectState[str]) -> None:
        self._written: dict[str, dict[str, tuple[float, Resource]]] = state.new_map()

    def applied(self, declaration: Declaration, steps: Iterable[Step], owned: Iterable[Resource]) -> None:
        """Record applied steps; `owned` are the resources as returned by AWS."""
        known = self._written.setdefault(declaration.owner.uid, {})
        found = {resource.title: resource for resource in owned}
        for step in steps:
            title = step.resource.title
            known.pop(title, None)
            if isinstance(step.change, Create | Update):
                known[title] = (declaration.now, found.get(title, step.resource).as_deleted)
        self._written[declaration.owner.uid] = {
            title: entry for title, entry in known.items() if declaration.now - entry[0] < RECENT_SECONDS
        }

    def unseen(self, declaration: Declaration, seen: Iterable[Resource]) -> Iterator[Resource]:
        """Yield recently written resources that were not observed, unless they are retained."""
        titles = {resource.title for resource in seen}
        for title, (at, resource) in self._written.get(declaration.owner.uid, {}).items():
            is_recent = declaration.now - at < RECENT_SECONDS
            is_unread = title in declaration.unread
            if is_recent and title not in titles and not is_unread and not declaration.retains(resource):
                yield resource


def with_unseen(plan: Plan, unseen: Iterable[Resource]) -> Plan:
    """Return the deletion plan with deletions of these resources added, in deletion order (reverse order of kinds).

    They are deleted by the kinds of this plan: since they were written, a target may have changed its role.
    """
    places = {part.kind.value.kind: place for place, part in enumerate(plan.parts)}
    added = (Step(plan.parts[places[resource.kind]].kind, Delete(resource)) for resource in unseen)
    steps = sorted((*plan.steps, *added), key=lambda step: -places[step.kind.value.kind])
    return replace(plan, steps=tuple(steps))

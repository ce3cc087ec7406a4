"""What was written a moment ago: a deletion removes it by name even if reads do not show it yet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.plan import AnyKind, Create, Delete, Plan, Step, Update
from dynconfig.engine.resource import Resource

# AWS's control planes are eventually consistent; reads that lag for longer are an outage.
RECENT_SECONDS = 300.0


@dataclass(slots=True)
class Recent:
    """The last writes of each object, for some minutes. One declaration of an owner at a time."""

    _written: dict[str, dict[str, tuple[float, AnyKind, Resource]]] = field(default_factory=dict)

    def applied(self, declaration: Declaration, steps: Iterable[Step], owned: Iterable[Resource]) -> None:
        """These steps were carried out; `owned` is what AWS answered."""
        known = self._written.setdefault(declaration.owner.uid, {})
        found = {resource.title: resource for resource in owned}
        for step in steps:
            title = step.resource.title
            known.pop(title, None)
            if isinstance(step.change, Create | Update):
                known[title] = (declaration.now, step.kind, found.get(title, step.resource).as_deleted)
        self._written[declaration.owner.uid] = {
            title: entry for title, entry in known.items() if declaration.now - entry[0] < RECENT_SECONDS
        }

    def unseen(self, declaration: Declaration, seen: Iterable[Resource]) -> Iterator[Step]:
        """The deletions of what was written a moment ago and is not seen at all; what is retained needs none."""
        titles = {resource.title for resource in seen}
        for title, (at, kind, resource) in self._written.get(declaration.owner.uid, {}).items():
            is_recent = declaration.now - at < RECENT_SECONDS
            is_unread = title in declaration.unread
            if is_recent and title not in titles and not is_unread and not declaration.retains(resource):
                yield Step(kind, Delete(resource))

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._written.pop(uid, None)


def with_unseen(plan: Plan, unseen: Iterable[Step]) -> Plan:
    """The plan of a deletion with these steps, in the order of deletions: the kinds backwards."""
    places = {id(part.kind): place for place, part in enumerate(plan.parts)}
    steps = sorted((*plan.steps, *unseen), key=lambda step: -places[id(step.kind)])
    return replace(plan, steps=tuple(steps))

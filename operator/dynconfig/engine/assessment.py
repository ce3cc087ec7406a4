"""What would be done about one object, everything included; the operator applies it, and `dynconfig plan` prints it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dynconfig.engine.carry import in_order
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.look import Sight
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import AnyKind, Create, Fault, Part, Plan, Step, Update, changes, differences, drifted
from dynconfig.engine.refusal import Refusal, independent, is_watched
from dynconfig.engine.resource import Resource
from dynconfig.engine.rollout import Judgement
from dynconfig.engine.undone import Rejection


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer of `Engine.assess`."""

    declaration: Declaration
    """As it is carried out: with the stable revision in its place where its generation is undone."""
    plan: Plan
    """The steps, and beside them what waits for the end of the bake time and what is only reported."""
    seen: tuple[Resource, ...]
    """All that AWS has at the names concerned, whoever owns it."""
    judgement: Judgement
    """How the newest change is doing."""
    rejection: Rejection | None = None
    """What is written to AWS before any step, where an alarm makes the generation be undone."""
    blocked: DynConfigError | None = None
    """What stops all of it before the first write."""

    @property
    def drift(self) -> tuple[Step, ...]:
        """What somebody else changed, whether it is corrected or only reported."""
        found = tuple(step for step in self.plan.steps if drifted(step, self.declaration))
        return self.plan.reported or (*found, *self.plan.contested)

    @property
    def is_stopped(self) -> bool:
        """Whether something keeps AWS from being as declared."""
        return self.blocked is not None or bool(self.plan.refused)

    @property
    def writes(self) -> tuple[Step, ...]:
        """The steps that are carried out now: none while the object is suspended or something stops all of it."""
        return () if self.declaration.suspended or self.blocked else self.plan.steps


def compared(declaration: Declaration, sights: Iterable[Sight]) -> tuple[Plan, tuple[Resource, ...]]:
    """What has to be done about what was seen, and all that was seen."""
    parts: list[Part] = []
    steps: list[Step] = []
    refused: list[Refusal] = []
    seen: list[Resource] = []
    for sight in sights:
        owned = tuple(resource for resource in sight.observed if resource.owner == declaration.owner.tag)
        parts.append(Part(sight.kind, sight.desired, owned))
        if sight.unread is not None:
            refused.append(Refusal.unread(sight.kind, sight.unread, is_put=not declaration.deleting))
            continue
        unread = {item.name for item in sight.unread_items if not item.is_partial}
        desired = [resource for resource in sight.desired if resource.name not in unread]
        found, faults = changes(sight.kind, declaration, desired, sight.observed)
        steps += (_adding(step, sight) for step in found)
        refused += _unread(sight, declaration)
        refused += [_refusal(fault, sight.kind, declaration, len(sight.desired)) for fault in faults]
        seen += sight.observed
    ordered = in_order(steps)
    free, blocked = independent(ordered, refused, is_watched=is_watched(declaration))
    return Plan(free, tuple(parts), refused=tuple(refused), blocked=blocked), tuple(seen)


def derived(outcome: Outcome) -> Plan:
    """What kinds desire otherwise, now that others were written. Pure."""
    declaration = outcome.declaration
    held_back = {refusal.title for refusal in outcome.refused} | {item.step.resource.title for item in outcome.blocked}
    steps: list[Step] = []
    parts: list[Part] = []
    refused: list[Refusal] = []
    for part in outcome.plan.parts:
        desired = tuple(part.kind.desired(declaration))
        owned = tuple(resource for resource in outcome.owned if isinstance(resource, part.kind.value))
        if desired != part.declared:
            found, faults = changes(part.kind, declaration, desired, owned)
            steps += [step for step in found if not {step.resource.title, part.kind.value.kind} & held_back]
            more = (_refusal(fault, part.kind, declaration, len(desired)) for fault in faults)
            refused += [refusal for refusal in more if refusal.title not in held_back]
        parts.append(Part(part.kind, desired, owned))
        declaration = replace(declaration, found=(*declaration.found, *owned))
    known = (*outcome.refused, *refused)
    free, _blocked = independent(in_order(steps), known, is_watched=is_watched(declaration))
    return Plan(free, tuple(parts), refused=tuple(refused))


def _adding(step: Step, sight: Sight) -> Step:
    """The step with what it really writes."""
    added = next((item for item in sight.added if item.name == step.resource.name), None)
    if added is None or not isinstance(step.change, Create | Update):
        return step
    if isinstance(step.change, Create):
        return replace(step, change=replace(step.change, added=added))
    written = {item.field: item for item in differences(added, step.change.observed)}
    because = tuple(written.get(item.field, item) for item in step.change.because)
    return replace(step, change=replace(step.change, because=because))


def _unread(sight: Sight, declaration: Declaration) -> Iterator[Refusal]:
    """The refusals of what could not be read: what was reported before is taken to be there still."""
    declared = {resource.name for resource in sight.desired}
    for item in sight.unread_items:
        title, is_put = sight.title_of(item), item.name in declared
        is_missing = not item.is_partial and declaration.unread.get(title) is None
        is_only = is_put and len(declared) == 1
        yield Refusal(title, sight.kind, item.error, is_missing=is_missing, is_put=is_put, is_only=is_only)


def _refusal(fault: Fault, kind: AnyKind, declaration: Declaration, count: int) -> Refusal:
    is_ours = fault.observed is not None and fault.observed.owner == declaration.owner.tag
    return Refusal(fault.desired.title, kind, fault.error, is_missing=not is_ours, is_only=count == 1)

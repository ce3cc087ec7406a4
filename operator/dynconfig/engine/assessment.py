"""The complete plan for one object: the operator applies it, and `dynconfig plan` prints it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dynconfig.engine.apply import in_order
from dynconfig.engine.observe import Observation
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError
from dynconfig.model.plan import AnyKind, Create, Fault, Part, Plan, Step, Update, changes, differences, drifted
from dynconfig.model.refusal import Refusal, independent, is_watched
from dynconfig.model.resource import Resource
from dynconfig.rollout.rolled_back import Rejection
from dynconfig.rollout.state import RolloutState


@dataclass(frozen=True, slots=True)
class Assessment:
    """The result of `Engine.assess`."""

    declaration: Declaration
    """The effective declaration: the stable one if its generation is rolled back."""
    plan: Plan
    """The steps, the deletions deferred to the end of the bake time, and drift that is only reported."""
    seen: tuple[Resource, ...]
    """All existing resources of the names concerned, regardless of their owner."""
    rollout_state: RolloutState
    """The state of the newest change."""
    rejection: Rejection | None = None
    """What is written to AWS before any step if an alarm rolls the generation back."""
    blocked: DynConfigError | None = None
    """The error that stops everything before the first write."""

    @property
    def drift(self) -> tuple[Step, ...]:
        """Return the drift, corrected or only reported."""
        found = tuple(step for step in self.plan.steps if drifted(step, self.declaration))
        return self.plan.reported_drift or (*found, *self.plan.contested)

    @property
    def is_stopped(self) -> bool:
        """Whether something prevents AWS from being in sync."""
        return self.blocked is not None or bool(self.plan.refused)

    @property
    def writes(self) -> tuple[Step, ...]:
        """Return the steps to apply now: none if the object is suspended or blocked."""
        return () if self.declaration.suspended or self.blocked else self.plan.steps


def compared(declaration: Declaration, observations: Iterable[Observation]) -> tuple[Plan, tuple[Resource, ...]]:
    """Return the plan for the observations, and all observed resources."""
    parts: list[Part] = []
    steps: list[Step] = []
    refused: list[Refusal] = []
    seen: list[Resource] = []
    for observation in observations:
        owned = tuple(resource for resource in observation.observed if resource.owner == declaration.owner.tag)
        parts.append(Part(observation.kind, observation.desired, owned))
        if observation.unread is not None:
            refused.append(Refusal.unread(observation.kind, observation.unread, is_put=not declaration.deleting))
            continue
        unread = {item.name for item in observation.unread_items if not item.is_partial}
        desired = [resource for resource in observation.desired if resource.name not in unread]
        found, faults = changes(observation.kind, declaration, desired, observation.observed)
        steps += (_adding(step, observation) for step in found)
        refused += _unread(observation, declaration)
        refused += [_refusal(fault, observation.kind, declaration, len(observation.desired)) for fault in faults]
        seen += observation.observed
    ordered = in_order(steps)
    free, blocked = independent(ordered, refused, is_watched=is_watched(declaration))
    return Plan(free, tuple(parts), refused=tuple(refused), blocked=blocked), tuple(seen)


def derived(outcome: Outcome) -> Plan:
    """Return the plan for desired resources that changed because others were written. Pure."""
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
        declaration = replace(declaration, observed_so_far=(*declaration.observed_so_far, *owned))
    known = (*outcome.refused, *refused)
    free, _blocked = independent(in_order(steps), known, is_watched=is_watched(declaration))
    return Plan(free, tuple(parts), refused=tuple(refused))


def _adding(step: Step, observation: Observation) -> Step:
    """Return the step with what it really writes."""
    added = next((item for item in observation.added if item.name == step.resource.name), None)
    if added is None or not isinstance(step.change, Create | Update):
        return step
    if isinstance(step.change, Create):
        return replace(step, change=replace(step.change, added=added))
    written = {item.field: item for item in differences(added, step.change.observed)}
    because = tuple(written.get(item.field, item) for item in step.change.because)
    return replace(step, change=replace(step.change, because=because))


def _unread(observation: Observation, declaration: Declaration) -> Iterator[Refusal]:
    """Yield the refusals of unreadable resources; previously reported ones count as existing."""
    declared = {resource.name for resource in observation.desired}
    for item in observation.unread_items:
        title, is_put = observation.title_of(item), item.name in declared
        is_missing = not item.is_partial and declaration.unread.get(title) is None
        is_only = is_put and len(declared) == 1
        yield Refusal(title, observation.kind, item.error, is_missing=is_missing, is_put=is_put, is_only=is_only)


def _refusal(fault: Fault, kind: AnyKind, declaration: Declaration, count: int) -> Refusal:
    is_ours = fault.observed is not None and fault.observed.owner == declaration.owner.tag
    return Refusal(fault.desired.title, kind, fault.error, is_missing=not is_ours, is_only=count == 1)

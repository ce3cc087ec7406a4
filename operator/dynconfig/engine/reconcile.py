"""One reconcile: look, compare, refuse what is unsafe, apply; the same walk for create, edit, drift and deletion."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from dynconfig.api.spec import DriftPolicy
from dynconfig.engine.declaration import Declaration, Place
from dynconfig.engine.errors import DynConfigError, ReconcileLoop, Settling
from dynconfig.engine.look import Sight, look, wanted
from dynconfig.engine.plan import (
    AnyKind,
    Create,
    Delete,
    Difference,
    Part,
    Plan,
    Release,
    Step,
    Update,
    changes,
    check,
    drifted,
)
from dynconfig.engine.resource import Resource

DELETE_BATCH = 50
LOOP_LENGTH = 3
# AWS takes a second or two to carry out a write to a function.
SETTLING_SECONDS = 0.5

NOTHING = Plan()

KeepGoing = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a report needs to know about one reconcile."""

    declaration: Declaration
    plan: Plan = NOTHING
    applied: tuple[Step, ...] = ()
    drift: tuple[Step, ...] = ()
    owned: tuple[Resource, ...] = ()
    error: DynConfigError | None = None
    is_held: bool = False
    """The plan is the answer: suspended, or drift that is only reported."""
    was_observed: bool = False
    """AWS was looked at, so that `plan` and `owned` are true."""

    @property
    def remaining(self) -> tuple[Step, ...]:
        """Steps that are still to be done."""
        return self.plan.steps[len(self.applied) :]

    @property
    def is_only_drift(self) -> bool:
        """Whether the plan holds nothing but drift and what follows from it."""
        drift = {id(step) for step in self.drift}
        return bool(drift) and all(id(step) in drift or step.is_derived for step in self.plan.steps)

    @property
    def is_complete(self) -> bool:
        """Whether AWS now is as declared."""
        return self.was_observed and self.error is None and not self.remaining


class Engine:
    """Runs declarations against the kinds of their place. Safe for many threads, one declaration of an owner at a time."""

    def __init__(self, kinds_of: Callable[[Place], Sequence[AnyKind]], at_once: Executor | None = None) -> None:
        self._kinds_of = kinds_of
        self._at_once = at_once
        self._repeats: dict[str, dict[tuple[str, Difference], int]] = {}

    def prepare(self, place: Place) -> None:
        """Have the kinds of a place made before the first object needs them."""
        self._kinds_of(place)

    def look(self, declaration: Declaration) -> Iterator[Sight]:
        """What is wanted, and what AWS has of all that is declared, known or owned; whoever owns it. Looks as it is read."""
        return look(self._kinds_of(declaration.place), declaration, self._at_once)

    def plan(self, declaration: Declaration) -> Plan:
        """What would be done. Raises NotOwned, NotPossible, UnsafePlan, and whatever AWS answers."""
        return compared(declaration, self.look(declaration))

    def wanted(self, declaration: Declaration) -> tuple[Resource, ...]:
        """What AWS would have, without a look at it."""
        return tuple(wanted(self._kinds_of(declaration.place), declaration))

    def run(self, declaration: Declaration, keep_going: KeepGoing = lambda: True) -> Outcome:
        """Make AWS equal to the declaration; stops between two writes when `keep_going` says so."""
        try:
            plan = self.plan(declaration)
        except DynConfigError as error:
            return Outcome(declaration, error=error)
        drift = tuple(step for step in plan.steps if drifted(step, declaration))
        outcome = Outcome(declaration, plan, drift=drift, owned=plan.owned, was_observed=True)
        if _is_held(outcome):
            return replace(outcome, is_held=True)
        try:
            self._refuse_loop(outcome)
        except ReconcileLoop as error:
            return replace(outcome, error=error)
        return self._follow_up(self._apply(outcome, keep_going), keep_going)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._repeats.pop(uid, None)

    def _apply(self, outcome: Outcome, keep_going: KeepGoing) -> Outcome:
        owned = {resource.title: resource for resource in outcome.owned}
        applied: list[Step] = []
        error: DynConfigError | None = None
        for batch in _batches(outcome.plan.steps):
            if applied and not keep_going():
                break
            try:
                _refuse_pending(batch[0], owned)
                _carry_out(batch, owned)
            except DynConfigError as failure:
                error = failure
                break
            applied += batch
        self._count(outcome.declaration, applied)
        error = error or _settling(owned.values())
        return replace(outcome, applied=tuple(applied), owned=tuple(owned.values()), error=error)

    def _follow_up(self, outcome: Outcome, keep_going: KeepGoing) -> Outcome:
        """What follows from what was just written, by comparison with what AWS answered: an id, a revision."""
        if not outcome.is_complete or not outcome.applied or outcome.declaration.deleting:
            return outcome
        steps = _derived(outcome)
        if not steps:
            return outcome
        plan = replace(outcome.plan, steps=steps)
        more = self._apply(replace(outcome, plan=plan, applied=()), keep_going)
        return replace(
            more,
            plan=replace(plan, steps=(*outcome.plan.steps, *steps)),
            applied=(*outcome.applied, *more.applied),
        )

    def _refuse_loop(self, outcome: Outcome) -> None:
        uid = outcome.declaration.owner.uid
        if outcome.declaration.requested or not outcome.is_only_drift:
            # A person asked, or edited: that breaks any loop.
            self._repeats.pop(uid, None)
            return
        current = {(step.resource.title, because) for step in outcome.drift for because in step.because}
        kept = {key: times for key, times in self._repeats.get(uid, {}).items() if key in current}
        self._repeats[uid] = kept
        looping = [key for key, times in kept.items() if times >= LOOP_LENGTH - 1]
        if looping:
            title, difference = looping[0]
            raise ReconcileLoop(
                f"{title}: field {difference.field} was corrected {LOOP_LENGTH - 1} times running and differs again "
                f"(declared {difference.declared}, observed {difference.observed}); find out who else writes it, "
                "then ask for a fresh look or edit the object"
            )

    def _count(self, declaration: Declaration, applied: Iterable[Step]) -> None:
        repeats = self._repeats.get(declaration.owner.uid)
        if repeats is None:
            return
        for step in applied:
            for because in step.because:
                key = (step.resource.title, because)
                repeats[key] = repeats.get(key, 0) + 1


def compared(declaration: Declaration, sights: Iterable[Sight]) -> Plan:
    """What has to be done about what was seen; pure. Raises NotOwned, NotPossible, UnsafePlan."""
    parts: list[Part] = []
    steps: list[Step] = []
    for sight in sights:
        owned = tuple(resource for resource in sight.observed if resource.owner == declaration.owner.tag)
        parts.append(Part(sight.kind, sight.desired, owned))
        steps += changes(sight.kind, declaration, sight.desired, sight.observed)
    plan = Plan(_in_order(steps), tuple(parts))
    check(plan, declaration)
    return plan


def _derived(outcome: Outcome) -> tuple[Step, ...]:
    """Steps of kinds that desire something else, now that others were written; pure."""
    declaration = outcome.declaration
    steps: list[Step] = []
    for part in outcome.plan.parts:
        desired = tuple(part.kind.desired(declaration))
        owned = tuple(resource for resource in outcome.owned if isinstance(resource, part.kind.value))
        if desired != part.declared:
            steps += changes(part.kind, declaration, desired, owned)
        declaration = replace(declaration, found=(*declaration.found, *owned))
    return _in_order(steps)


def _refuse_pending(step: Step, owned: Mapping[str, Resource]) -> None:
    resource = owned.get(step.resource.title)
    if isinstance(step.change, Update) and resource is not None and resource.pending:
        raise _settling([resource])  # type: ignore[misc]  # it is pending


def _settling(owned: Iterable[Resource]) -> Settling | None:
    pending = next((f"{resource.title} {resource.pending}" for resource in owned if resource.pending), None)
    return Settling(pending, delay=SETTLING_SECONDS) if pending else None


def _in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Puts in the order of the kinds, then deletions backwards."""
    listed = list(steps)
    puts = [step for step in listed if isinstance(step.change, Create | Update)]
    goodbyes = [step for step in listed if isinstance(step.change, Delete | Release)]
    return (*puts, *reversed(goodbyes))


def _is_held(outcome: Outcome) -> bool:
    declaration = outcome.declaration
    if outcome.plan.is_empty:
        return declaration.suspended
    return declaration.suspended or (outcome.is_only_drift and declaration.drift_policy is DriftPolicy.REPORT)


def _batches(steps: Sequence[Step]) -> Iterable[list[Step]]:
    """One step at a time, deletions of one kind together, since AWS takes several names in a call."""
    batch: list[Step] = []
    for step in steps:
        joins = batch and isinstance(step.change, Delete) and isinstance(batch[0].change, Delete)
        if batch and not (joins and batch[0].kind is step.kind and len(batch) < DELETE_BATCH):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def _carry_out(batch: Sequence[Step], owned: dict[str, Resource]) -> None:
    first = batch[0]
    match first.change:
        case Create(desired):
            owned[desired.title] = first.kind.put(desired, None)
        case Update(observed, desired, _):
            owned[desired.title] = first.kind.put(desired, observed)
        case Delete():
            first.kind.delete([step.resource for step in batch])
        case Release(observed):
            first.kind.release(observed)
    if isinstance(first.change, Delete | Release):
        for step in batch:
            owned.pop(step.resource.title, None)

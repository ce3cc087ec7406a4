"""Exponential backoff for fields that another writer changes again after each correction. They are never given up.

The state is kept in memory: after a restart, two corrections are made without delay.
"""

from dataclasses import dataclass, replace

from dynconfig.engine.drift import author_of
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import ReconcileLoop
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import Plan, Step, drifted
from dynconfig.model.refusal import Refusal

# The number of corrections without delay: a person may make the same change twice.
QUICK_CORRECTIONS = 2
FIRST_PAUSE = 10.0
MOST_DOUBLINGS = 20

Field = tuple[str, str]
"""Title of the resource, and name of the field."""


@dataclass(frozen=True, slots=True)
class _Corrected:
    """The number of consecutive corrections of a field, and the time of the last one in seconds."""

    times: int
    at: float

    def due(self, longest: float) -> float:
        """Return when it may be corrected again, in seconds."""
        if self.times < QUICK_CORRECTIONS:
            return self.at
        doublings = min(self.times - QUICK_CORRECTIONS, MOST_DOUBLINGS)
        return self.at + min(FIRST_PAUSE * 2.0**doublings, longest)


class CorrectionBackoff:
    """The recent corrections of each object. Thread-safe, if each object is reconciled by one thread at a time.

    Times are those of a monotonic clock, in seconds.
    """

    def __init__(self, state: ObjectState[str]) -> None:
        self._corrected: dict[str, dict[Field, _Corrected]] = state.new_map()

    def back_off(self, plan: Plan, declaration: Declaration, now: float) -> Plan:
        """Return the plan without the corrections that are backed off; those are in `contested` and `refused`."""
        known = self._corrected.get(declaration.owner.uid, {})
        if not known or declaration.requested:
            return plan
        steps: list[Step] = []
        contested: list[Step] = []
        refused: list[Refusal] = []
        for step in plan.steps:
            error = _error(step, known, declaration, now) if drifted(step, declaration) else None
            if error is None:
                steps.append(step)
            else:
                contested.append(step)
                refused.append(Refusal.of(step, error))
        return replace(plan, steps=tuple(steps), contested=tuple(contested), refused=(*plan.refused, *refused))

    def observe(self, outcome: Outcome) -> None:
        """Forget the fields that were not changed again. A requested reconcile or an edit resets all fields."""
        uid = outcome.declaration.owner.uid
        if outcome.declaration.requested or not outcome.is_only_drift:
            self._corrected.pop(uid, None)
            return
        current = {(step.resource.title, because.field) for step in outcome.drift for because in step.because}
        kept = {field: found for field, found in self._corrected.get(uid, {}).items() if field in current}
        self._corrected[uid] = kept

    def record(self, outcome: Outcome, now: float) -> None:
        """Record the corrections of a reconcile."""
        known = self._corrected.get(outcome.declaration.owner.uid)
        if known is None:
            return
        drift = {id(step) for step in outcome.drift}
        for step in (step for step in outcome.applied if id(step) in drift):
            for because in step.because:
                field = (step.resource.title, because.field)
                known[field] = _Corrected(known[field].times + 1 if field in known else 1, now)


def _error(step: Step, known: dict[Field, _Corrected], declaration: Declaration, now: float) -> ReconcileLoop | None:
    longest = float(declaration.resync_seconds)
    pairs = ((because, known.get((step.resource.title, because.field))) for because in step.because)
    waiting = [(found.due(longest), because, found) for because, found in pairs if found and found.due(longest) > now]
    if not waiting:
        return None
    due, because, found = max(waiting, key=lambda item: item[0])
    who = author_of(step, declaration)
    return ReconcileLoop(
        f"{step.resource.title}: field {because.field} was corrected {found.times} times and changed again"
        f"{f' by {who}' if who else ''} (declared {because.brief.declared}, observed {because.brief.observed}). "
        "Corrections are backed off. Stop the other writer, or declare its value",
        delay=due - now,
    )

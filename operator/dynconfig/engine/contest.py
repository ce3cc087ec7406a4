"""Fields that someone else writes again after each correction: they are corrected ever more slowly, and never given up.

What the operator remembers of this is lost at a restart, which costs two quick corrections.
"""

from dataclasses import dataclass, replace

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.drift import author_of
from dynconfig.engine.errors import ReconcileLoop
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import Plan, Step, drifted
from dynconfig.engine.refusal import Refusal

# So often a field is corrected at once; a person may change it twice.
QUICK_CORRECTIONS = 2
FIRST_PAUSE = 10.0
MOST_DOUBLINGS = 20

Field = tuple[str, str]
"""Title of the resource, and field."""


@dataclass(frozen=True, slots=True)
class _Corrected:
    """How often a field was corrected running, and when it was last, in seconds since the epoch."""

    times: int
    at: float

    def due(self, longest: float) -> float:
        """When it is corrected again, in seconds since the epoch."""
        if self.times < QUICK_CORRECTIONS:
            return self.at
        doublings = min(self.times - QUICK_CORRECTIONS, MOST_DOUBLINGS)
        return self.at + min(FIRST_PAUSE * 2.0**doublings, longest)


class Contests:
    """What was corrected of each object. Safe for many threads, one declaration of an owner at a time."""

    def __init__(self) -> None:
        self._corrected: dict[str, dict[Field, _Corrected]] = {}

    def waiting(self, plan: Plan, declaration: Declaration, now: float) -> Plan:
        """The plan without the corrections whose time has not come: they stand in it as contested, and as refused."""
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

    def seen(self, outcome: Outcome) -> None:
        """Forget what was not changed again; a person who asks or edits ends every contest."""
        uid = outcome.declaration.owner.uid
        if outcome.declaration.requested or not outcome.is_only_drift:
            self.forget(uid)
            return
        current = {(step.resource.title, because.field) for step in outcome.drift for because in step.because}
        kept = {field: found for field, found in self._corrected.get(uid, {}).items() if field in current}
        self._corrected[uid] = kept

    def corrected(self, outcome: Outcome, now: float) -> None:
        """Count the corrections of a reconcile."""
        known = self._corrected.get(outcome.declaration.owner.uid)
        if known is None:
            return
        drift = {id(step) for step in outcome.drift}
        for step in (step for step in outcome.applied if id(step) in drift):
            for because in step.because:
                field = (step.resource.title, because.field)
                known[field] = _Corrected(known[field].times + 1 if field in known else 1, now)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._corrected.pop(uid, None)


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
        f"{f' by {who}' if who else ''} (declared {because.brief.declared}, observed {because.brief.observed}); it is corrected "
        "ever more slowly. Stop the other writer, or declare what it writes",
        delay=due - now,
    )

"""All that is to be told of one reconcile."""

from dataclasses import dataclass

from dynconfig.api.alarms import DRIFT
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.plan import Plan, Step
from dynconfig.engine.resource import Resource
from dynconfig.engine.rollout import Alarming, Judgement, Stage

NOTHING = Plan()
PROVED = Judgement(Stage.PROVED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a report needs to know about one reconcile."""

    declaration: Declaration
    plan: Plan = NOTHING
    applied: tuple[Step, ...] = ()
    drift: tuple[Step, ...] = ()
    owned: tuple[Resource, ...] = ()
    error: DynConfigError | None = None
    was_observed: bool = False
    """AWS was looked at, so that `plan` and `owned` are true."""
    judgement: Judgement = PROVED
    """How the newest change is doing."""
    unlabelled: tuple[str, ...] = ()
    """Labels that were removed, or could not be: a sentence for each parameter."""
    again: float | None = None
    """In how many seconds the change should be looked at again."""

    @property
    def is_watched(self) -> bool:
        """Whether an alarm can find fault with a change; that on drift cannot."""
        on_drift = self.declaration.names.alarm(DRIFT)
        return any(isinstance(item, Alarming) and item.name != on_drift for item in self.owned)

    @property
    def is_held(self) -> bool:
        """Whether the plan is the answer, since the object is suspended."""
        return self.declaration.suspended

    @property
    def remaining(self) -> tuple[Step, ...]:
        """Steps that are still to be done."""
        return self.plan.steps[len(self.applied) :]

    @property
    def standing(self) -> tuple[Step, ...]:
        """Drift that was not put back in this run."""
        applied = {id(step) for step in self.applied}
        return tuple(step for step in self.drift if id(step) not in applied)

    @property
    def is_only_drift(self) -> bool:
        """Whether the plan holds nothing but drift and what follows from it."""
        drift = {id(step) for step in self.drift}
        return bool(drift) and all(id(step) in drift or step.is_derived for step in self.plan.steps)

    @property
    def is_complete(self) -> bool:
        """Whether all is done that was to be done."""
        return self.was_observed and self.error is None and not self.remaining

"""All that is to be told of one reconcile."""

from dataclasses import dataclass

from dynconfig.api.alarms import DRIFT
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError, NotOwned, Retryable
from dynconfig.engine.plan import Plan, Step
from dynconfig.engine.refusal import Blocked, Refusal, merged, sentences, summary
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
    stopped: DynConfigError | None = None
    """What ended it before all was tried."""
    refused: tuple[Refusal, ...] = ()
    """What is not as declared, each by itself."""
    blocked: tuple[Blocked, ...] = ()
    """Steps that wait for what is refused."""
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
    def error(self) -> DynConfigError | None:
        """All that went wrong, as one."""
        return self.stopped or summary(self.refused)

    @property
    def not_owned(self) -> NotOwned | None:
        """All that belongs to somebody else, as one."""
        found = [refusal.error for refusal in self.refused if isinstance(refusal.error, NotOwned)]
        return merged(found, "; ".join(sentences(found))) if found else None

    @property
    def retry(self) -> Retryable | None:
        """What may pass, that which passes first; None if only a person helps or nothing is wrong."""
        errors = [self.stopped] if self.stopped else [refusal.error for refusal in self.refused]
        passing = [error for error in errors if isinstance(error, Retryable)]
        return min(passing, key=lambda error: error.delay or 0.0, default=None)

    @property
    def remaining(self) -> tuple[Step, ...]:
        """Steps that are still to be done."""
        applied = {id(step) for step in self.applied}
        return tuple(step for step in self.plan.steps if id(step) not in applied)

    @property
    def untried(self) -> tuple[Step, ...]:
        """Steps that there was no time for."""
        tried = {item.title for item in self.refused} | {item.step.resource.title for item in self.blocked}
        return tuple(step for step in self.remaining if step.resource.title not in tried)

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

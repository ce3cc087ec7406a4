"""The outcome of one reconcile."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from dynconfig.api.alarms import DRIFT
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError, NotOwned, Retryable
from dynconfig.model.plan import Plan, Step
from dynconfig.model.quota_wait import QuotaWait
from dynconfig.model.refusal import Blocked, Refusal, merged, sentences, summary
from dynconfig.model.resource import Resource
from dynconfig.rollout.state import Alarming, RolloutPhase, RolloutState

NOTHING = Plan()
# DeleteParameters takes ten names.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html
DELETIONS_OF_A_CALL = 10
STABLE = RolloutState(RolloutPhase.STABLE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that status and Events need to know about one reconcile."""

    declaration: Declaration
    plan: Plan = NOTHING
    applied: tuple[Step, ...] = ()
    drift: tuple[Step, ...] = ()
    owned: tuple[Resource, ...] = ()
    stopped: DynConfigError | None = None
    """The error that ended it before all steps were tried."""
    refused: tuple[Refusal, ...] = ()
    """Resources that are not in sync, with their errors."""
    blocked: tuple[Blocked, ...] = ()
    """Steps that depend on refused resources."""
    was_observed: bool = False
    """AWS was observed, so that `plan` and `owned` are valid."""
    tried_nothing: bool = False
    """AWS could not be read, so nothing was written. False after an unexpected failure, which may follow writes."""
    rollout_state: RolloutState = STABLE
    """The state of the newest change."""
    label_messages: tuple[str, ...] = ()
    """A message for each parameter whose labels were removed, or could not be."""
    requeue_after: float | None = None
    """Seconds until the change should be evaluated again."""
    quota_wait: QuotaWait | None = None
    """The AWS quota that this run mostly waited for, and the time that the remaining steps need."""

    @property
    def is_watched(self) -> bool:
        """Whether an alarm monitors changes; the drift alarm does not."""
        on_drift = self.declaration.names.alarm(DRIFT)
        return any(isinstance(item, Alarming) and item.name != on_drift for item in self.owned)

    @property
    def is_suspended(self) -> bool:
        """Whether the plan was not applied because the object is suspended."""
        return self.declaration.suspended

    @property
    def error(self) -> DynConfigError | None:
        """Return all errors as one."""
        return self.stopped or summary(self.refused)

    @property
    def not_owned(self) -> NotOwned | None:
        """Return all ownership errors as one."""
        found = [refusal.error for refusal in self.refused if isinstance(refusal.error, NotOwned)]
        return merged(found, "; ".join(sentences(found))) if found else None

    @property
    def retry(self) -> Retryable | None:
        """Return the transient error with the shortest delay; None if there is none."""
        errors = [self.stopped] if self.stopped else [refusal.error for refusal in self.refused]
        passing = [error for error in errors if isinstance(error, Retryable)]
        return min(passing, key=lambda error: error.delay or 0.0, default=None)

    @property
    def remaining(self) -> tuple[Step, ...]:
        """Return the steps that were not applied."""
        applied = {id(step) for step in self.applied}
        return tuple(step for step in self.plan.steps if id(step) not in applied)

    @property
    def untried(self) -> tuple[Step, ...]:
        """Return the steps that were not tried because the turn ended."""
        tried = {item.title for item in self.refused} | {item.step.resource.title for item in self.blocked}
        return tuple(step for step in self.remaining if step.resource.title not in tried)

    @property
    def writes(self) -> int:
        """Return the estimated number of AWS writes of the remaining steps."""
        remaining = self.remaining
        puts = sum(step.is_put for step in remaining)
        return puts + math.ceil((len(remaining) - puts) / DELETIONS_OF_A_CALL)

    @property
    def uncorrected_drift(self) -> tuple[Step, ...]:
        """Return drift that was not corrected in this run."""
        applied = {id(step) for step in self.applied}
        return tuple(step for step in self.drift if id(step) not in applied)

    @property
    def is_only_drift(self) -> bool:
        """Whether all steps are drift or follow from it."""
        drift = {id(step) for step in self.drift}
        return bool(drift) and all(id(step) in drift or step.is_derived for step in self.plan.steps)

    def unobserved(self, names: Collection[str]) -> frozenset[str]:
        """Return those of these names of resources that could not be read this time, but may be the next time."""
        if not self.was_observed:
            return frozenset(names)
        failed = {item.title for item in self.refused if isinstance(item.error, Retryable)}
        unread = {title.partition(" ")[2] for title in failed & self.declaration.unread.keys()}
        reported = self.declaration.applied.titles if self.declaration.applied else ()
        for part in (part for part in self.plan.parts if part.kind.value.kind in failed):
            # The whole kind could not be read.
            kind = part.kind.value.kind
            unread |= {item.name for item in part.declared} | {name for of, name in reported if of == kind}
        return frozenset(unread.intersection(names))

    @property
    def is_complete(self) -> bool:
        """Whether everything was applied without errors."""
        return self.was_observed and self.error is None and not self.remaining

"""One reconcile: assess, apply, finish. Create, edit, drift and deletion follow the same steps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from dynconfig.engine import expiration
from dynconfig.engine.apply import ApplyRun, EarlierRefusals, batches
from dynconfig.engine.assessment import Assessment, compared, derived
from dynconfig.engine.correction_backoff import CorrectionBackoff
from dynconfig.engine.drift_metrics import DriftMetricSink, drift_points
from dynconfig.engine.observe import Observation, desired_resources, names_in_use, observe, unread_versions
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.recent import Recent, with_unseen
from dynconfig.engine.reported_drift import without_reported_drift
from dynconfig.engine.retry_policy import RetryPolicy
from dynconfig.engine.settled import Settled
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import DynConfigError, Throttled, UnsafePlan
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import (
    AnyKind,
)
from dynconfig.model.refusal import Refusal
from dynconfig.model.resource import Confirms, Resource, Unread, Versioned
from dynconfig.model.safety import check
from dynconfig.rollout.alarm_history import AlarmHistoryOf
from dynconfig.rollout.labels import LabelCleanup, LabelsOf
from dynconfig.rollout.last_change import only_values, with_values
from dynconfig.rollout.rollback import Rollbacks, defer_deletions
from dynconfig.rollout.rolled_back import stable_declaration
from dynconfig.rollout.state import RolloutPhase, RolloutState
from dynconfig.validation.declare import keeping

# Alarms are polled at this interval until their events arrive.
ALARM_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Abandonment:
    """The result of abandoning an object."""

    left: str = ""
    """Why owner tags or labels are left in AWS; empty if none are."""
    is_over: bool = True
    """Nothing is left to do; otherwise the next turn continues."""
    throttled: Throttled | None = None
    """Why the next turn has to wait."""


KeepGoing = Callable[[], bool]
Announce = Callable[[Outcome], None]
"""Called with the planned outcome before the first write. An exception it raises ends the reconcile."""


class Engine:
    """Applies declarations with the kinds of their place. Thread-safe, except for concurrent runs of one owner."""

    def __init__(
        self,
        kinds_of: Callable[[Place], Sequence[AnyKind]],
        labels_of: LabelsOf | None = None,
        at_once: Executor | None = None,
        drift_metric_of: Callable[[Place], DriftMetricSink] | None = None,
        aws_now: Callable[[float], float] = lambda now: now,
        *,
        monotonic: Callable[[float], float] = lambda now: now,
        history_of: AlarmHistoryOf | None = None,
    ) -> None:
        """Create an engine. `aws_now` and `monotonic` return the time by which AWS's times and own delays are measured.

        Both get the operator's time of day, which may be set at any time.
        """
        self._kinds_of = kinds_of
        self._at_once = at_once
        self._aws_now = aws_now
        self._monotonic = monotonic
        self._state = ObjectState[str]()
        self._rollbacks = Rollbacks(labels_of, self._state, history_of)
        self._cleanup = LabelCleanup(labels_of, self._state)
        self._drift_metric_of = drift_metric_of
        self._correction_backoff = CorrectionBackoff(self._state)
        self._retry_policy = RetryPolicy(self._state)
        self._earlier_refusals = EarlierRefusals(self._state)
        self._recent = Recent(self._state)

    def prepare(self, place: Place) -> None:
        """Create the kinds of a place before the first object needs them."""
        self._kinds_of(place)

    def observations(self, declaration: Declaration) -> Iterator[Observation]:
        """Yield desired and observed resources per kind, regardless of their owner. Lazy: AWS is called while iterating."""
        return observe(self._kinds_of(declaration.place), declaration, self._at_once)

    def observe(self, declaration: Declaration) -> tuple[Resource, ...]:
        """Return the resources in AWS that are declared, known or owned, regardless of their owner."""
        return tuple(resource for observation in self.observations(declaration) for resource in observation.observed)

    def assess(
        self, declaration: Declaration, now: float, observations: Iterable[Observation] | None = None
    ) -> Assessment:
        """Compute everything a reconcile at `now` (seconds since the epoch) would do. Writes nothing.

        `observations` are recent observations of the same declaration. Raises errors of AWS reads.
        """
        aws_now = self._aws_now(now)
        # The operator recorded by its own clock when parameters were removed from spec.
        deletes_from = declaration.deletes_from + aws_now - now
        declaration = replace(declaration, now=float(int(aws_now)), deletes_from=deletes_from)
        if declaration.is_last_change:
            declaration = with_values(declaration, self.observe(declaration))
        expiration.check(declaration)
        effective = self._rollbacks.effective(declaration)
        found = self._assess_effective(effective, now, observations if effective is declaration else None)
        if found.rollout_state.phase is not RolloutPhase.FAILED or declaration.suspended:
            return found
        rejection = self._rollbacks.rejection(found.declaration, found.plan)
        back = self._assess_effective(stable_declaration(declaration, rejection.rolled_back), now)
        return replace(back, rollout_state=found.rollout_state, rejection=rejection)

    def is_unchanged(self, settled: Settled) -> bool:
        """Return whether AWS has the parameters of an object that was in sync as it had them then. Raises errors of AWS reads."""
        kinds = [kind for kind in self._kinds_of(settled.place) if issubclass(kind.value, Versioned)]
        return all(isinstance(kind, Confirms) and kind.is_unchanged(settled.owner, settled.names) for kind in kinds)

    def desired(self, declaration: Declaration) -> tuple[Resource, ...]:
        """Return the desired resources without observing AWS."""
        return tuple(desired_resources(self._kinds_of(declaration.place), declaration))

    def run(
        self,
        declaration: Declaration,
        keep_going: KeepGoing = lambda: True,
        now: float = 0.0,
        announce: Announce = lambda _planned: None,
    ) -> Outcome:
        """Apply the declaration at `now` (seconds since the epoch), or the stable revision if the rollout failed.

        Timestamps of AWS are compared with AWS's own clock; `now` is used only until AWS has answered.
        Stops between two writes if `keep_going` returns False.
        """
        return self._retry_policy.apply_to_outcome(
            self._with_drift_metric(self._run(declaration, keep_going, now, announce)), self._monotonic(now)
        )

    def forget(self, uid: str) -> None:
        """Forget an object that no longer exists."""
        self._state.forget(uid)

    def abandon(self, declaration: Declaration, keep_going: KeepGoing = lambda: True) -> Abandonment:
        """Release the resources of an abandoned object: remove owner tags and labels as far as AWS allows, keep the rest."""
        outcome = self._run(replace(keeping(declaration), suspended=False), keep_going, 0.0, lambda _planned: None)
        is_unfinished = bool(outcome.untried or outcome.retry)
        left = str(outcome.error or ("the time limit was reached" if outcome.untried else ""))
        throttled = outcome.error if isinstance(outcome.error, Throttled) else None
        return Abandonment(left, is_over=not (throttled or (is_unfinished and outcome.applied)), throttled=throttled)

    def _with_drift_metric(self, outcome: Outcome) -> Outcome:
        """Publish the drift metric. If that fails, return the outcome with the error."""
        points = drift_points(outcome)
        if not points or self._drift_metric_of is None:
            return outcome
        try:
            self._drift_metric_of(outcome.declaration.place).show(outcome.declaration.owner.title, points)
        except DynConfigError as error:
            return outcome if outcome.error else replace(outcome, stopped=error)
        return outcome

    def _run(self, declaration: Declaration, keep_going: KeepGoing, now: float, announce: Announce) -> Outcome:
        try:
            found = self.assess(declaration, now)
        except DynConfigError as error:
            return Outcome(declaration, stopped=error, tried_nothing=True)
        outcome = _planned(found)
        outcome = replace(outcome, label_messages=self._cleanup.remove_old_labels(found.declaration, found.plan.owned))
        if declaration.suspended:
            return outcome
        if declaration.is_last_change and not found.declaration.rolled_back:
            delay = _requeue_after(found.rollout_state, self._aws_now(now))
            return replace(outcome, rollout_state=found.rollout_state, requeue_after=delay)
        unmarked: tuple[Unread, ...] = ()
        try:
            if found.rejection:
                unmarked = self._rollbacks.reject(declaration, found.rejection)
            if found.blocked:
                return outcome
            self._correction_backoff.observe(outcome)
            announce(outcome)
        except DynConfigError as error:
            return replace(outcome, stopped=error)
        done = self._apply(outcome, keep_going)
        if not declaration.is_last_change:
            done = self._finish(done, keep_going, now)
        self._correction_backoff.record(done, self._monotonic(now))
        done = _with_label_failures(done, unmarked)
        return replace(done, rollout_state=found.rollout_state) if found.rejection else done

    def _assess_effective(
        self, declaration: Declaration, now: float, observations: Iterable[Observation] | None = None
    ) -> Assessment:
        observations = tuple(self.observations(declaration) if observations is None else observations)
        if (used := names_in_use(declaration, observations)) != declaration.names:
            # Only if status was lost, or the resource that kept its name was deleted.
            declaration = replace(declaration, names=used)
            observations = tuple(self.observations(declaration))
        declaration = replace(declaration, unread=unread_versions(declaration, observations))
        plan, seen = compared(declaration, observations)
        plan = with_unseen(plan, self._recent.unseen(declaration, seen)) if declaration.deleting else plan
        plan = only_values(plan, declaration) if declaration.is_last_change else plan
        # Deletions that a rollback defers must not count in the safety check.
        plan = defer_deletions(plan, declaration)
        try:
            check(plan, declaration)
        except UnsafePlan as error:
            plan = without_reported_drift(plan, declaration)
            return Assessment(declaration, plan, seen, RolloutState(RolloutPhase.STABLE), blocked=error)
        evaluation = self._rollbacks.evaluate(plan, declaration, self._aws_now(now))
        plan = without_reported_drift(evaluation.plan, declaration)
        plan = self._correction_backoff.back_off(plan, declaration, self._monotonic(now))
        return Assessment(declaration, plan, seen, evaluation.rollout_state, blocked=evaluation.held_back)

    def _finish(self, outcome: Outcome, keep_going: KeepGoing, now: float) -> Outcome:
        return self._close(self._follow_up(outcome, keep_going), now)

    def _close(self, outcome: Outcome, now: float) -> Outcome:
        """Label stable versions, and set when to requeue a change that is not stable yet."""
        if outcome.stopped or outcome.untried:
            return outcome
        now = self._aws_now(now)
        try:
            left = self._cleanup.end_rollout(outcome.declaration, outcome.owned)
            rollout_state, unlabelled = self._rollbacks.finish(
                outcome.declaration, outcome.owned, outcome.plan, now, is_whole=outcome.is_complete
            )
        except DynConfigError as error:
            return replace(outcome, stopped=error)
        if rollout_state == RolloutState(RolloutPhase.STABLE) and outcome.rollout_state.phase is RolloutPhase.STABLE:
            # The deletions that baked were just carried out.
            rollout_state = outcome.rollout_state
        is_over = rollout_state.phase is RolloutPhase.STABLE and not (outcome.plan.waiting and outcome.is_complete)
        is_over = is_over or outcome.declaration.rolled_back
        closed = replace(
            outcome,
            rollout_state=rollout_state,
            requeue_after=None if is_over else _requeue_after(rollout_state, now) or 0.0,
        )
        return _with_label_failures(closed, (*left, *unlabelled))

    def _apply(self, outcome: Outcome, keep_going: KeepGoing) -> Outcome:
        apply_run = ApplyRun(outcome, self._earlier_refusals.refused(outcome.declaration))
        stopped: DynConfigError | None = None
        for batch in batches(outcome.plan.steps):
            if apply_run.tried and not keep_going():
                break
            try:
                apply_run.do(batch)
            except DynConfigError as failure:
                stopped = failure
                break
        self._recent.applied(outcome.declaration, apply_run.applied, apply_run.owned.values())
        apply_run.settle()
        done = replace(
            outcome,
            applied=tuple(apply_run.applied),
            owned=tuple(apply_run.owned.values()),
            stopped=stopped,
            refused=tuple(apply_run.refused),
            blocked=tuple(apply_run.blocked),
        )
        self._earlier_refusals.ended(done)
        return done

    def _follow_up(self, outcome: Outcome, keep_going: KeepGoing) -> Outcome:
        """Apply changes that follow from the writes just made, e.g. of an assigned id or a revision."""
        if outcome.stopped or outcome.untried or not outcome.applied or outcome.declaration.deleting:
            return outcome
        try:
            plan = derived(outcome)
        except DynConfigError as error:
            return replace(outcome, stopped=error)
        outcome = replace(outcome, refused=(*outcome.refused, *plan.refused))
        if plan.is_empty:
            return outcome
        more = self._apply(replace(outcome, plan=plan, applied=()), keep_going)
        return replace(
            more,
            plan=replace(outcome.plan, steps=(*outcome.plan.steps, *plan.steps), parts=plan.parts),
            applied=(*outcome.applied, *more.applied),
        )


def _requeue_after(rollout_state: RolloutState, now: float) -> float | None:
    """Return seconds until a baking or alarmed change is evaluated again."""
    if rollout_state.phase is RolloutPhase.BAKING:
        return max(0.0, min(rollout_state.until - now, ALARM_SECONDS))
    return ALARM_SECONDS if rollout_state.phase is RolloutPhase.ALARMED else None


def _with_label_failures(outcome: Outcome, failed: Sequence[Unread]) -> Outcome:
    """Return the outcome with a refusal for each resource whose labels could not be read, moved or removed."""
    known = {refusal.title for refusal in outcome.refused}
    kinds = [part.kind for part in outcome.plan.parts if issubclass(part.kind.value, Versioned)]
    refused = [Refusal(f"{kinds[0].value.kind} {item.name}", kinds[0], item.error) for item in failed]
    return replace(outcome, refused=(*outcome.refused, *(item for item in refused if item.title not in known)))


def _planned(found: Assessment) -> Outcome:
    """Return the outcome of an assessment before any write."""
    return Outcome(
        found.declaration,
        found.plan,
        drift=found.drift,
        owned=found.plan.owned,
        stopped=found.blocked,
        refused=found.plan.refused,
        blocked=found.plan.blocked,
        was_observed=True,
        rollout_state=found.rollout_state,
    )

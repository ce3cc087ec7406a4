"""One reconcile: assess, apply, finish; the same walk for create, edit, drift and deletion."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from dynconfig.engine import expiration
from dynconfig.engine.assessment import Assessment, compared, derived
from dynconfig.engine.carry import Rounds, Work, batches
from dynconfig.engine.correction_backoff import CorrectionBackoff
from dynconfig.engine.declaration import Declaration, Place
from dynconfig.engine.declare import keeping
from dynconfig.engine.errors import DynConfigError, UnsafePlan
from dynconfig.engine.gauge import Gauge, Gauges
from dynconfig.engine.held import without_reported
from dynconfig.engine.labels import LabelCleanup, LabelsOf
from dynconfig.engine.last_change import only_values, with_values
from dynconfig.engine.look import Sight, look, unread_versions, wanted
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.patience import Patience
from dynconfig.engine.plan import (
    AnyKind,
)
from dynconfig.engine.recent import Recent, with_unseen
from dynconfig.engine.refusal import Refusal
from dynconfig.engine.resource import Resource, Unread, Versioned
from dynconfig.engine.rollback import Rollbacks, put_off
from dynconfig.engine.rollout import Judgement, Stage
from dynconfig.engine.safety import check
from dynconfig.engine.undone import in_place_of

# Until an alarm is heard of by event, it is looked at.
ALARM_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Abandonment:
    """How far an object is let go that a person abandons."""

    left: str = ""
    """Why marks of ours are left in AWS, or nothing."""
    is_over: bool = True
    """There is nothing more to be done; else the next turn goes on."""


KeepGoing = Callable[[], bool]
Announce = Callable[[Outcome], None]
"""Receives what is about to be carried out, before the first write; it may raise what ends the reconcile."""


class Engine:
    """Runs declarations against the kinds of their place. Safe for many threads, one declaration of an owner at a time."""

    def __init__(
        self,
        kinds_of: Callable[[Place], Sequence[AnyKind]],
        labels_of: LabelsOf | None = None,
        at_once: Executor | None = None,
        gauge_of: Callable[[Place], Gauge] | None = None,
        aws_now: Callable[[float], float] = lambda now: now,
    ) -> None:
        self._kinds_of = kinds_of
        self._at_once = at_once
        self._aws_now = aws_now
        self._rollbacks = Rollbacks(labels_of)
        self._cleanup = LabelCleanup(labels_of)
        self._gauges = Gauges(gauge_of)
        self._correction_backoff = CorrectionBackoff()
        self._patience = Patience()
        self._rounds = Rounds()
        self._recent = Recent()

    def prepare(self, place: Place) -> None:
        """Have the kinds of a place made before the first object needs them."""
        self._kinds_of(place)

    def look(self, declaration: Declaration) -> Iterator[Sight]:
        """What is wanted, and what AWS has of all that is declared, known or owned; whoever owns it. Looks as it is read."""
        return look(self._kinds_of(declaration.place), declaration, self._at_once)

    def observe(self, declaration: Declaration) -> tuple[Resource, ...]:
        """What AWS has of all that is declared, known or owned; whoever owns it."""
        return tuple(resource for sight in self.look(declaration) for resource in sight.observed)

    def assess(self, declaration: Declaration, now: float, sights: Iterable[Sight] | None = None) -> Assessment:
        """What would be done at `now` (seconds since the epoch), everything included; writes nothing.

        `sights` is what was seen of this very declaration a moment ago. Raises whatever AWS answers to reads.
        """
        aws_now = self._aws_now(now)
        # When parameters left spec, the operator saw by its own clock.
        deletes_from = declaration.deletes_from + aws_now - now
        declaration = replace(declaration, now=float(int(aws_now)), deletes_from=deletes_from)
        if declaration.is_last_change:
            declaration = with_values(declaration, self.observe(declaration))
        expiration.check(declaration)
        steered = self._rollbacks.steer(declaration)
        found = self._assessed(steered, now, sights if steered is declaration else None)
        if found.judgement.stage is not Stage.FAILED or declaration.suspended:
            return found
        rejection = self._rollbacks.rejection(found.declaration, found.plan)
        back = self._assessed(in_place_of(declaration, rejection.undone), now)
        return replace(back, judgement=found.judgement, rejection=rejection)

    def wanted(self, declaration: Declaration) -> tuple[Resource, ...]:
        """What AWS would have, without a look at it."""
        return tuple(wanted(self._kinds_of(declaration.place), declaration))

    def run(
        self,
        declaration: Declaration,
        keep_going: KeepGoing = lambda: True,
        now: float = 0.0,
        announce: Announce = lambda _planned: None,
    ) -> Outcome:
        """Make AWS equal to the declaration at `now` (seconds since the epoch), or to the stable revision if it failed.

        What AWS dates is held against AWS's own clock, and `now` only counts until AWS has answered.
        Stops between two writes when `keep_going` says so.
        """
        return self._patience.applied_to(self._shown(self._run(declaration, keep_going, now, announce)), now)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._correction_backoff.forget(uid)
        self._patience.forget(uid)
        self._rounds.forget(uid)
        self._rollbacks.forget(uid)
        self._cleanup.forget(uid)
        self._gauges.forget(uid)
        self._recent.forget(uid)

    def abandon(self, declaration: Declaration, keep_going: KeepGoing = lambda: True) -> Abandonment:
        """Release what a person abandons, as far as AWS allows: owner tags and labels are removed, all else stays."""
        outcome = self._run(replace(keeping(declaration), suspended=False), keep_going, 0.0, lambda _planned: None)
        is_unfinished = bool(outcome.untried or outcome.retry)
        left = str(outcome.error or ("the time limit was reached" if outcome.untried else ""))
        return Abandonment(left, is_over=not (is_unfinished and outcome.applied))

    def _shown(self, outcome: Outcome) -> Outcome:
        """The outcome itself, or one that tells why its drift cannot be shown."""
        try:
            self._gauges.follow(outcome)
        except DynConfigError as error:
            return outcome if outcome.error else replace(outcome, stopped=error)
        return outcome

    def _run(self, declaration: Declaration, keep_going: KeepGoing, now: float, announce: Announce) -> Outcome:
        try:
            found = self.assess(declaration, now)
        except DynConfigError as error:
            return Outcome(declaration, stopped=error)
        outcome = _observed(found)
        outcome = replace(outcome, unlabelled=self._cleanup.make_room(found.declaration, found.plan.owned))
        if declaration.suspended:
            return outcome
        if declaration.is_last_change and not found.declaration.undone:
            again = _again(found.judgement, self._aws_now(now))
            return replace(outcome, judgement=found.judgement, again=again)
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
        self._correction_backoff.record(done, now)
        done = _without_labels(done, unmarked)
        return replace(done, judgement=found.judgement) if found.rejection else done

    def _assessed(self, declaration: Declaration, now: float, sights: Iterable[Sight] | None = None) -> Assessment:
        sights = tuple(self.look(declaration) if sights is None else sights)
        declaration = replace(declaration, unread=unread_versions(declaration, sights))
        plan, seen = compared(declaration, sights)
        plan = with_unseen(plan, self._recent.unseen(declaration, seen)) if declaration.deleting else plan
        plan = only_values(plan, declaration) if declaration.is_last_change else plan
        # What a rollback puts off is not deleted.
        plan = put_off(plan, declaration)
        try:
            check(plan, declaration)
        except UnsafePlan as error:
            return Assessment(declaration, plan, seen, Judgement(Stage.PROVED), blocked=error)
        watched = self._rollbacks.watched(plan, declaration, self._aws_now(now))
        plan = self._correction_backoff.back_off(without_reported(watched.plan, declaration), declaration, now)
        return Assessment(declaration, plan, seen, watched.judgement, blocked=watched.held_back)

    def _finish(self, outcome: Outcome, keep_going: KeepGoing, now: float) -> Outcome:
        return self._close(self._follow_up(outcome, keep_going), now)

    def _close(self, outcome: Outcome, now: float) -> Outcome:
        """Label what has proved itself, and say when to look again at what has not."""
        if outcome.stopped or outcome.untried:
            return outcome
        now = self._aws_now(now)
        try:
            left = self._cleanup.end_rollout(outcome.declaration, outcome.owned)
            judgement, unlabelled = self._rollbacks.closed(
                outcome.declaration, outcome.owned, outcome.plan, now, is_whole=outcome.is_complete
            )
        except DynConfigError as error:
            return replace(outcome, stopped=error)
        is_over = judgement.stage is Stage.PROVED and not (outcome.plan.waiting and outcome.is_complete)
        is_over = is_over or outcome.declaration.undone
        closed = replace(outcome, judgement=judgement, again=None if is_over else _again(judgement, now) or 0.0)
        return _without_labels(closed, (*left, *unlabelled))

    def _apply(self, outcome: Outcome, keep_going: KeepGoing) -> Outcome:
        work = Work(outcome, self._rounds.refused(outcome.declaration))
        stopped: DynConfigError | None = None
        for batch in batches(outcome.plan.steps):
            if work.tried and not keep_going():
                break
            try:
                work.do(batch)
            except DynConfigError as failure:
                stopped = failure
                break
        self._recent.applied(outcome.declaration, work.applied, work.owned.values())
        work.settle()
        done = replace(
            outcome,
            applied=tuple(work.applied),
            owned=tuple(work.owned.values()),
            stopped=stopped,
            refused=tuple(work.refused),
            blocked=tuple(work.blocked),
        )
        self._rounds.ended(done)
        return done

    def _follow_up(self, outcome: Outcome, keep_going: KeepGoing) -> Outcome:
        """What follows from what was just written, by comparison with what AWS answered: an id, a revision."""
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


def _again(judgement: Judgement, now: float) -> float | None:
    """In how many seconds a change that is watched is looked at again."""
    if judgement.stage is Stage.BAKING:
        return max(0.0, min(judgement.until - now, ALARM_SECONDS))
    return ALARM_SECONDS if judgement.stage is Stage.ALARMED else None


def _without_labels(outcome: Outcome, failed: Sequence[Unread]) -> Outcome:
    """The outcome with those refused whose labels AWS does not let us read, move or remove."""
    known = {refusal.title for refusal in outcome.refused}
    kinds = [part.kind for part in outcome.plan.parts if issubclass(part.kind.value, Versioned)]
    refused = [Refusal(f"{kinds[0].value.kind} {item.name}", kinds[0], item.error) for item in failed]
    return replace(outcome, refused=(*outcome.refused, *(item for item in refused if item.title not in known)))


def _observed(found: Assessment) -> Outcome:
    """The outcome of an assessment of which nothing is carried out yet."""
    return Outcome(
        found.declaration,
        found.plan,
        drift=found.drift,
        owned=found.plan.owned,
        stopped=found.blocked,
        refused=found.plan.refused,
        blocked=found.plan.blocked,
        was_observed=True,
        judgement=found.judgement,
    )

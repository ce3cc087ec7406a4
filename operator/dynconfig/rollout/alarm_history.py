"""The past of alarms: those that fired and recovered while the operator could not read AWS, or between two reads."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import AccessDenied
from dynconfig.model.object_state import ObjectState
from dynconfig.rollout.state import Alarming, AlarmPast, Evidence, Period, asked_for_past

# AWS names two weeks, in other places a month.
# https://aws.amazon.com/blogs/mt/extending-and-exploring-alarm-history-in-amazon-cloudwatch-part-1/
KEPT_SECONDS = 14 * 86400.0
# A denied read is repeated at this interval, because the permission may have been granted.
DENIED_SECONDS = 60.0


class AlarmHistory(Protocol):
    """The state changes of alarms in AWS."""

    def first_firing(self, name: str, since: float, until: float) -> float | None:
        """Return when an alarm first started to fire in a period; None if it did not. Times in seconds since the epoch."""


AlarmHistoryOf = Callable[[Place], AlarmHistory]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of an alarm, for a period, while its state was the one since then."""

    period: Period
    state_since: float | None
    at: float
    past: AlarmPast

    def is_valid(self, period: Period, alarm: Alarming, now: float) -> bool:
        """Whether nothing can have changed. At the end of the bake time everything is read once more."""
        if (self.period, self.state_since) != (period, alarm.since):
            return False
        is_fresh = not self.past.why or now - self.at < DENIED_SECONDS
        return is_fresh and (now < period.until or self.at >= period.until)


class AlarmPasts:
    """Adds the past of alarms to evidence. Thread-safe, except for concurrent calls for one owner."""

    def __init__(self, history_of: AlarmHistoryOf | None, state: ObjectState[str]) -> None:
        self._history_of = history_of
        self._reads: dict[str, dict[str, _Read]] = state.new_map()

    def added_to(self, evidence: Evidence, declaration: Declaration, now: float) -> Evidence:
        """Return the evidence with the past of the alarms that changed their state since the change."""
        asked = asked_for_past(declaration.rollout, evidence, now) if declaration.rollout else None
        if asked is None or self._history_of is None:
            self._reads.pop(declaration.owner.uid, None)
            return evidence
        period, alarms = asked
        history, known = self._history_of(declaration.place), self._reads.get(declaration.owner.uid, {})
        reads = {
            alarm.name: read
            if (read := known.get(alarm.name)) and read.is_valid(period, alarm, now)
            else _Read(period, alarm.since, now, _past(history, alarm, period, now))
            for alarm in alarms
        }
        self._reads[declaration.owner.uid] = reads
        return replace(evidence, past={name: read.past for name, read in reads.items()})


def _past(history: AlarmHistory, alarm: Alarming, period: Period, now: float) -> AlarmPast:
    known_since = now if alarm.since is None else alarm.since
    if period.since < now - KEPT_SECONDS:
        return AlarmPast(known_since=known_since, why=f"CloudWatch keeps the history of alarm {alarm.name} for 14 days")
    try:
        return AlarmPast(fired_at=history.first_firing(alarm.name, period.since, period.until))
    except AccessDenied:
        why = f"the history of alarm {alarm.name} cannot be read (allow cloudwatch:DescribeAlarmHistory)"
        return AlarmPast(known_since=known_since, why=why)

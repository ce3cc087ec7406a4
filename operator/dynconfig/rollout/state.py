"""Decides whether a change is stable, still bakes, or has to be rolled back, from state in AWS alone. Pure.

All state is in AWS: the label `stable` on the last good version of each parameter, when each was written, since when
each alarm has been firing, and when it fired before. Any process reaches the same decision again, so the operator may crash
at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import ClassVar

from dynconfig.model.declaration import Rollout
from dynconfig.model.resource import Resource, Unread, Versioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarming(Resource):
    """An alarm."""

    kind: ClassVar[str] = "Alarm"
    state: str = field(default="INSUFFICIENT_DATA", metadata={"compare": False})
    since: float | None = field(default=None, metadata={"compare": False})
    """When it entered that state, in seconds since the epoch."""

    @property
    def firing_since(self) -> float | None:
        """Return since when it has been firing, in seconds since the epoch; None if it is not."""
        return self.since if self.state == "ALARM" else None


class RolloutPhase(Enum):
    """The phase of a rollout."""

    STABLE = auto()
    """No change is baking, or its bake time ended without an alarm."""
    BAKING = auto()
    ALARMED = auto()
    """An alarm is firing, and rollback is impossible, disabled or not due to this change."""
    FAILED = auto()
    """The change has to be rolled back."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The phase of a rollout, and why."""

    phase: RolloutPhase
    since: float = 0.0
    """When the change started, in seconds since the epoch."""
    until: float = 0.0
    """When the bake time ends, in seconds since the epoch."""
    changed: int = 0
    alarm: str = ""
    """The firing alarm."""
    not_restorable: tuple[str, ...] = ()
    """Names of parameters that cannot be restored because AWS has no stable version of them."""
    caused_by_change: bool = False
    """Whether the alarm started to fire after the change. It may be OK again."""
    unknown: str = ""
    """Why it is unknown whether an alarm fired earlier in the bake time, which therefore began anew; empty if it is known."""


@dataclass(frozen=True, slots=True)
class AlarmPast:
    """What an alarm did in the bake time before its current state."""

    fired_at: float | None = None
    """When it first started to fire, in seconds since the epoch; None if it did not."""
    known_since: float | None = None
    """If its history cannot be read: since when its state is known, in seconds since the epoch."""
    why: str = ""
    """Why its history cannot be read."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time within which an alarm is caused by a change, in seconds since the epoch."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The state of the newest change in AWS."""

    known: Sequence[Versioned] = ()
    """All resources that may bake."""
    unstable: Sequence[Versioned] = ()
    """Resources whose value differs from their stable version."""
    removals: int = 0
    """The number of resources to delete when the change is stable."""
    removals_since: float | None = None
    has_stable: bool = False
    """Whether there is a stable revision to restore."""
    has_been_stable: bool = False
    """Whether the object had a stable revision before this change: with labels half moved, only status knows."""
    alarms: Sequence[Alarming] = ()
    past: Mapping[str, AlarmPast] = field(default_factory=dict)
    """What the alarms that changed their state in the bake time did before, by name."""
    replaced: frozenset[str] = frozenset()
    """Names of resources whose value an edit is about to replace: alarms of the past concern the value before."""
    not_restorable: Sequence[str] = ()
    """Names of parameters that cannot be restored because AWS no longer has their stable version."""
    unread: tuple[Unread, ...] = ()
    """Resources whose labels could not be read: they are neither evaluated nor labelled."""


def evaluate(rollout: Rollout, evidence: Evidence, now: float) -> RolloutState:
    """Return the rollout state at `now`. With the same evidence, STABLE never becomes FAILED later."""
    period = _period(rollout, evidence, evidence.unstable, now)
    if period is None:
        return RolloutState(RolloutPhase.STABLE)
    fires = [(item.firing_since, item) for item in evidence.alarms]
    fired = [(evidence.past[item.name].fired_at, item) for item in evidence.alarms if item.name in evidence.past]
    is_past_decisive = _can_undo_the_past(rollout, evidence)
    alarm = _first_in([*fires, *fired] if is_past_decisive else fires, period)
    changed = len(evidence.unstable) + evidence.removals
    found = RolloutState(RolloutPhase.STABLE, period.since, period.until, changed)
    if alarm is not None:
        phase = RolloutPhase.FAILED if _can_go_back(rollout, evidence) else RolloutPhase.ALARMED
        return replace(found, phase=phase, alarm=alarm.name, caused_by_change=True)
    waits_for = next((item for item in firing(evidence.alarms) if _since(item) < period.since), None)
    if waits_for is not None:
        return replace(found, phase=RolloutPhase.ALARMED, alarm=waits_for.name)
    if past := _first_in(fired, period):
        found = replace(found, alarm=past.name, caused_by_change=True)
    found = _with_unknown_past(found, evidence, rollout.bake_seconds if is_past_decisive else 0.0)
    phase = RolloutPhase.BAKING if now < found.until else RolloutPhase.STABLE
    return replace(found, phase=phase, not_restorable=tuple(evidence.not_restorable))


def asked_for_past(rollout: Rollout, evidence: Evidence, now: float) -> tuple[Period, list[Alarming]] | None:
    """Return the alarms whose past decides, and the period it is about; None if there are none.

    An alarm whose state began before the change did nothing since. If nothing can be restored, only the final message needs it.
    """
    kept = [item for item in evidence.unstable if item.name not in evidence.replaced]
    period = _period(rollout, evidence, kept, now)
    if period is None or (now < period.until and not _can_undo_the_past(rollout, evidence)):
        return None
    alarms = [item for item in evidence.alarms if _may_have_fired(item, period, now)]
    return (period, alarms) if alarms else None


def _may_have_fired(alarm: Alarming, period: Period, now: float) -> bool:
    if alarm.since is None:
        # It was created in this run. An alarm of this name may have existed before.
        return now >= period.until
    is_caused = alarm.firing_since is not None and alarm.since <= period.until
    return alarm.since >= period.since and not is_caused


def _period(rollout: Rollout, evidence: Evidence, unstable: Sequence[Versioned], now: float) -> Period | None:
    """Return the time from the first write of a change to the end of its bake time; None if nothing bakes."""
    times = [now if item.last_modified is None else item.last_modified for item in unstable]
    if evidence.removals:
        times.append(now if evidence.removals_since is None else evidence.removals_since)
    return Period(min(times), max(times) + rollout.bake_seconds) if times else None


def _can_go_back(rollout: Rollout, evidence: Evidence) -> bool:
    return rollout.rolls_back and evidence.has_stable and not rollout.is_forced


def _can_undo_the_past(rollout: Rollout, evidence: Evidence) -> bool:
    """Whether an alarm that is OK again rolls back. If nothing was stable before, it would undo a first revision half proved."""
    return _can_go_back(rollout, evidence) and evidence.has_been_stable


def _with_unknown_past(found: RolloutState, evidence: Evidence, bake_seconds: float) -> RolloutState:
    """Return the state with a bake time of at least so many seconds in which the states of all alarms are known."""
    unread = {past.known_since: past.why for past in evidence.past.values() if past.known_since is not None}
    if not unread:
        return found
    newest = max(unread)
    return replace(found, until=max(found.until, newest + bake_seconds), unknown=unread[newest])


def firing(alarms: Sequence[Alarming]) -> list[Alarming]:
    """Return the firing alarms, the longest firing first."""
    return sorted((item for item in alarms if item.firing_since is not None), key=_since)


def _first_in(times: Sequence[tuple[float | None, Alarming]], period: Period) -> Alarming | None:
    """Return the alarm that started to fire first within the bake time."""
    caused = [(at, alarm) for at, alarm in times if at is not None and period.since <= at <= period.until]
    return min(caused, key=lambda found: found[0])[1] if caused else None


def _since(alarm: Alarming) -> float:
    return alarm.firing_since or 0.0

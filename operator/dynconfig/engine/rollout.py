"""Whether a change has proved itself, still bakes, or has to be undone: decided from what AWS says alone. Pure.

The memory is AWS's: the label `stable` on the last good version of each parameter, when each was written, and since
when each alarm fires. A decision once made is made again by whoever looks next, so that a process may die at any moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar

from dynconfig.engine.resource import Resource, Unread, Versioned


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a declaration wants its changes watched."""

    bake_seconds: int
    rolls_back: bool
    is_forced: bool = False
    """A person said: this generation, whatever the alarms say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarming(Resource):
    """A resource that tells whether something is wrong."""

    kind: ClassVar[str] = "Alarm"
    state: str = field(default="INSUFFICIENT_DATA", metadata={"compare": False})
    since: float | None = field(default=None, metadata={"compare": False})
    """Since when it is in that state, in seconds since the epoch."""

    @property
    def firing_since(self) -> float | None:
        """Since when it fires, in seconds since the epoch; None where it does not."""
        return self.since if self.state == "ALARM" else None


class Stage(Enum):
    """Where a change is."""

    PROVED = auto()
    """There is none, or it went without an alarm."""
    BAKING = auto()
    ALARMED = auto()
    """An alarm fires, and there is nothing to go back to, or nobody wants to."""
    FAILED = auto()
    """It has to be undone."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The stage of a change, and why."""

    stage: Stage
    since: float = 0.0
    """When the change began, in seconds since the epoch."""
    until: float = 0.0
    """When the bake time is over, in seconds since the epoch."""
    changed: int = 0
    alarm: str = ""
    """The alarm that fires."""
    lost: tuple[str, ...] = ()
    """Names of those that cannot be restored, since AWS does not have a stable version of them."""
    is_blamed: bool = False
    """Whether it began to fire after the change."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What AWS says about the newest change."""

    known: Sequence[Versioned] = ()
    """All resources that may have to prove themselves."""
    unproved: Sequence[Versioned] = ()
    """Resources whose value is not that of their stable version."""
    leaving: int = 0
    """Resources that are to be deleted when the change has proved itself."""
    leaving_since: float | None = None
    has_stable: bool = False
    """Whether there is a stable revision to go back to."""
    alarms: Sequence[Alarming] = ()
    lost: Sequence[str] = ()
    """Names of those that could not be put back, since AWS does not have their stable version any more."""
    unread: tuple[Unread, ...] = ()
    """Resources whose labels could not be read: they are neither judged nor labelled."""


def judge(rollout: Rollout, evidence: Evidence, now: float) -> Judgement:
    """The judgement at `now`; the same evidence later never turns PROVED into FAILED."""
    times = [now if item.last_modified is None else item.last_modified for item in evidence.unproved]
    if evidence.leaving:
        times.append(now if evidence.leaving_since is None else evidence.leaving_since)
    if not times:
        return Judgement(Stage.PROVED)
    since, until = min(times), max(times) + rollout.bake_seconds
    changed = len(evidence.unproved) + evidence.leaving
    alarm = _blamed(evidence.alarms, since, until)
    if alarm is not None:
        goes_back = rollout.rolls_back and evidence.has_stable and not rollout.is_forced
        return Judgement(
            Stage.FAILED if goes_back else Stage.ALARMED, since, until, changed, alarm.name, is_blamed=True
        )
    waits_for = next((item for item in firing(evidence.alarms) if _since(item) < since), None)
    if waits_for is not None:
        return Judgement(Stage.ALARMED, since, until, changed, waits_for.name)
    stage = Stage.BAKING if now < until else Stage.PROVED
    return Judgement(stage, since, until, changed, lost=tuple(evidence.lost))


def firing(alarms: Sequence[Alarming]) -> list[Alarming]:
    """Those that fire, the longest first."""
    return sorted((item for item in alarms if item.firing_since is not None), key=_since)


def _blamed(alarms: Sequence[Alarming], since: float, until: float) -> Alarming | None:
    """The first alarm that began to fire after the change and before its bake time was over."""
    return next((item for item in firing(alarms) if since <= _since(item) <= until), None)


def _since(alarm: Alarming) -> float:
    return alarm.firing_since or 0.0

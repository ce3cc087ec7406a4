"""Limits the status writes of objects that wait for an AWS quota: the estimate changes with each attempt."""

from collections.abc import Callable

from dynconfig.api.status import ConditionType
from dynconfig.engine.outcome import Outcome
from dynconfig.model.errors import Throttled
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.previous_status import PreviousStatus

REPORT_SECONDS = 10.0


class QuotaReports:
    """Remembers when each object last reported that it waits. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float], state: ObjectState[Key]) -> None:
        self._clock = clock
        self._reported: dict[Key, float] = state.new_map()

    def is_due(
        self,
        key: Key,
        outcome: Outcome,
        previous: PreviousStatus,
        requested_at: str | None,
        *,
        is_background: bool = False,
    ) -> bool:
        """Return whether an outcome has to be reported now: it is news, or the last estimate is some seconds old.

        That a resync waits is no news of an object in sync: the quota may be too low for all of them at once.
        """
        error, now = outcome.stopped, self._clock()
        if not isinstance(error, Throttled) or error.wait is None or outcome.applied:
            return True
        if is_background and not outcome.was_observed and _is_in_sync(outcome, previous):
            return False
        is_known = (
            previous.reason(ConditionType.READY) == error.reason
            and previous.observed_generation == outcome.declaration.generation
            and previous.document.get("lastHandledReconcileAt") == requested_at
        )
        if is_known and now - self._reported.get(key, float("-inf")) < REPORT_SECONDS:
            return False
        self._reported[key] = now
        return True


def _is_in_sync(outcome: Outcome, previous: PreviousStatus) -> bool:
    ready = previous.conditions.get(ConditionType.READY)
    return ready is not None and ready.status == "True" and ready.generation == outcome.declaration.generation

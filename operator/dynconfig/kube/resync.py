"""Computes when to reconcile an object without events: the jittered resync, and the first reconcile after a restart. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.duration import DURATION, seconds
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import RENEWAL_SECONDS, ConditionType
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import spec_of
from dynconfig.model.timestamps import moment
from dynconfig.validation.declare import is_requested

JITTER = 0.1
# No event reports a redeployed function, which may lose what was attached to it. Polling it costs two calls.
_POLLED = {"Attachment": 60.0}
POLLED: Mapping[str, str] = {"": ""}
"""Stands for the names of an event: observes only what is always observed."""
LONGEST_INTERVAL = 16


def delay(interval: float, age: float, chance: float) -> float:
    """Return seconds until the resync, `age` seconds after the last observation; `chance` is random from 0 to 1.

    Overdue resyncs are spread over a tenth of their interval.
    """
    left = interval * (1 - JITTER + 2 * JITTER * chance) - age
    return left if left > 0 else interval * JITTER * chance


def poll_interval(kinds: Iterable[str]) -> float | None:
    """Return the polling interval in seconds for resources without events, or None if none of these kinds needs it."""
    return min((_POLLED[kind] for kind in kinds if kind in _POLLED), default=None)


@dataclass(frozen=True, slots=True)
class Listed:
    """When an object needs its first reconcile in this process, by its status. Times in seconds since the epoch."""

    observed: float | None = None
    """When AWS was last observed, if ever."""
    interval: int | None = None
    """The resync interval of an object that is in sync, in seconds; None if it is reconciled now."""
    polled: float | None = None
    """The polling interval of its resources without events, in seconds."""
    is_edited: bool = False
    """Whether its spec was changed since the last reconcile, or it is being deleted."""
    target: str = ""
    """The name of its target; empty for the operator's own identity."""
    target_digest: str = ""
    """What the target declared at the last reconcile."""

    @classmethod
    def of(cls, document: Mapping[str, Any], target: str = "") -> Self:
        """Return it for an object from the API server, and the name of its target."""
        previous = PreviousStatus.of_object(document)
        observed = moment(previous.last_observed) if previous.last_observed else None
        is_settled = observed is not None and _is_settled(document, previous)
        polled = poll_interval(item.kind for item in previous.resources)
        interval = _interval(spec_of(document)) if is_settled else None
        is_edited = _is_edited(document, previous)
        return cls(observed, interval, polled, is_edited, target, previous.target_digest or "")

    def in_target(self, digest: str) -> Self:
        """Return it with what its target declares now: if that has changed, the object is reconciled now."""
        return self if self.target_digest == digest else replace(self, interval=None)

    def delay(self, now: float, chance: float) -> float:
        """Return seconds until the first reconcile; `chance` is random from 0 to 1."""
        if self.interval is None or self.observed is None:
            return 0.0
        age = max(0.0, now - self.observed)
        if self.interval <= age < RENEWAL_SECONDS:
            # It may have been observed since then: status reports that only every hour.
            return self.interval * chance
        return delay(self.interval, age, chance)


def _is_edited(document: Mapping[str, Any], previous: PreviousStatus) -> bool:
    metadata = document["metadata"]
    return previous.observed_generation != metadata.get("generation") or "deletionTimestamp" in metadata


def _interval(spec: Mapping[str, Any]) -> int:
    interval = spec.get("resyncInterval")
    is_legal = isinstance(interval, str) and len(interval) <= LONGEST_INTERVAL and re.fullmatch(DURATION, interval)
    return seconds(interval if isinstance(interval, str) and is_legal else _DEFAULT_INTERVAL)


def _is_settled(document: Mapping[str, Any], previous: PreviousStatus) -> bool:
    """Whether it is Ready at this generation and operator version, and no change can have been missed."""
    metadata = document["metadata"]
    ready = previous.conditions.get(ConditionType.READY)
    # Status does not contain the current content of Secrets and ConfigMaps.
    parameters = spec_of(document).get("parameters")
    refers = not isinstance(parameters, list | None) or any(_refers(item) for item in parameters or ())
    return (
        ready is not None
        and ready.status == "True"
        and not refers
        and previous.observed_generation == previous.generation == metadata.get("generation")
        and previous.operator_version == __version__
        and names.FINALIZER in (metadata.get("finalizers") or ())
        and "deletionTimestamp" not in metadata
        and not is_requested(document)
        # A baking change is Ready, but must be evaluated before the resync.
        and not previous.is_baking
    )


def _refers(parameter: object) -> bool:
    """Whether its value may come from a Secret or ConfigMap."""
    return not isinstance(parameter, Mapping) or "valueFrom" in parameter


_DEFAULT_INTERVAL: str = DynamicConfigSpec.model_fields["resync_interval"].default

"""Computes when to reconcile an object without events: the jittered resync, and the first reconcile after a restart. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.duration import DURATION, seconds
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import ConditionType
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import spec_of
from dynconfig.model.timestamps import moment
from dynconfig.validation.declare import is_requested

JITTER = 0.1
# No event reports a redeployed function, which may lose what was attached to it. Polling it costs one call.
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


def reported_kinds(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kinds of the resources in the status of an object."""
    return tuple(item.kind for item in PreviousStatus.of_object(document).resources)


def first_reconcile(document: Mapping[str, Any], now: float, chance: float) -> tuple[float, float | None]:
    """Return seconds until the first reconcile after a restart, and when AWS was last observed, if ever.

    An object that status reports as in sync waits for its resync; any other is reconciled now.
    """
    previous = PreviousStatus.of_object(document)
    observed = moment(previous.last_observed) if previous.last_observed else None
    if observed is None or not _is_settled(document, previous):
        return 0.0, observed
    return delay(_interval(spec_of(document)), max(0.0, now - observed), chance), observed


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

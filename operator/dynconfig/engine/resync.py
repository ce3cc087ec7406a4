"""When to look at an object that nobody speaks of: the jittered resync, and the first look after a restart. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.duration import DURATION, seconds
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine.declare import is_requested
from dynconfig.engine.stored import spec_of, status_of

JITTER = 0.1
# No event tells that somebody deploys a function anew, and with it may go what was added; a look costs one call.
_POLLED = {"Attachment": 60.0}
POLLED: Mapping[str, str] = {"": ""}
"""In place of what an event named: nothing in particular, so that only what is asked for each time is looked at."""
LONGEST_INTERVAL = 16


def delay(interval: float, age: float, chance: float) -> float:
    """Seconds from now to a resync, `age` seconds after the last look; `chance` is at random from 0 to 1.

    Those that are overdue spread over a tenth of their interval, so that many do not come at once.
    """
    left = interval * (1 - JITTER + 2 * JITTER * chance) - age
    return left if left > 0 else interval * JITTER * chance


def poll_interval(kinds: Iterable[str]) -> float | None:
    """Seconds between two looks at what no event tells of, for an object that has resources of these kinds."""
    return min((_POLLED[kind] for kind in kinds if kind in _POLLED), default=None)


def reported_kinds(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of resources that the status of an object lists."""
    status = document.get("status") or {}
    return tuple(str(item["kind"]) for item in status.get("resources") or ())


def first_look(document: Mapping[str, Any], now: float, chance: float) -> tuple[float, float | None]:
    """Seconds to the first look after a restart, and when the last one was, if ever.

    An object whose status says that all was in order waits for its resync; any other is looked at now.
    """
    status = status_of(document)
    observed = _moment(status.get("lastObservedTime"))
    if observed is None or not _is_settled(document, status):
        return 0.0, observed
    return delay(_interval(spec_of(document)), max(0.0, now - observed), chance), observed


def _interval(spec: Mapping[str, Any]) -> int:
    interval = spec.get("resyncInterval")
    is_legal = isinstance(interval, str) and len(interval) <= LONGEST_INTERVAL and re.fullmatch(DURATION, interval)
    return seconds(interval if isinstance(interval, str) and is_legal else _DEFAULT_INTERVAL)


def _is_settled(document: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Ready at this generation by this version of the operator, and nothing could have changed unheard meanwhile."""
    metadata = document["metadata"]
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ())
    # What a Secret or ConfigMap holds now is not in status.
    parameters = spec_of(document).get("parameters")
    refers = not isinstance(parameters, list | None) or any(_refers(item) for item in parameters or ())
    return (
        ready
        and not refers
        and status.get("observedGeneration") == status.get("appliedGeneration") == metadata.get("generation")
        and status.get("operatorVersion") == __version__
        and names.FINALIZER in (metadata.get("finalizers") or ())
        and "deletionTimestamp" not in metadata
        and not is_requested(document)
        # A change that bakes is Ready, and neither its end nor what goes wrong meanwhile waits for the resync.
        and "bake" not in status
    )


def _refers(parameter: object) -> bool:
    """Whether it may take its value from somewhere else."""
    return not isinstance(parameter, Mapping) or "valueFrom" in parameter


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


_DEFAULT_INTERVAL: str = DynamicConfigSpec.model_fields["resync_interval"].default

"""When to look at an object that nobody speaks of: the jittered resync, and the first look after a restart. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.duration import seconds
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine.declare import is_requested

JITTER = 0.1


def delay(interval: float, age: float, chance: float) -> float:
    """Seconds from now to a resync, `age` seconds after the last look; `chance` is at random from 0 to 1.

    Those that are overdue spread over a tenth of their interval, so that many do not come at once.
    """
    left = interval * (1 - JITTER + 2 * JITTER * chance) - age
    return left if left > 0 else interval * JITTER * chance


def first_look(document: Mapping[str, Any], now: float, chance: float) -> tuple[float, float | None]:
    """Seconds to the first look after a restart, and when the last one was, if ever.

    An object whose status says that all was in order waits for its resync; any other is looked at now.
    """
    status = document.get("status") or {}
    observed = _moment(status.get("lastObservedTime"))
    if observed is None or not _is_settled(document, status):
        return 0.0, observed
    interval = (document.get("spec") or {}).get("resyncInterval") or _DEFAULT_INTERVAL
    return delay(seconds(interval), max(0.0, now - observed), chance), observed


def _is_settled(document: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Ready at this generation by this version of the operator, and nothing could have changed unheard meanwhile."""
    metadata = document["metadata"]
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ())
    # What a Secret or ConfigMap holds now is not in status.
    refers = any("valueFrom" in parameter for parameter in document["spec"].get("parameters") or ())
    return (
        ready
        and not refers
        and status.get("observedGeneration") == status.get("appliedGeneration") == metadata.get("generation")
        and status.get("operatorVersion") == __version__
        and names.FINALIZER in (metadata.get("finalizers") or ())
        and "deletionTimestamp" not in metadata
        and not is_requested(document)
    )


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


_DEFAULT_INTERVAL: str = DynamicConfigSpec.model_fields["resync_interval"].default

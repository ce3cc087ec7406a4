"""What kstatus, and therefore Flux and `kpt live apply`, conclude from an object's standard conditions.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from collections.abc import Mapping
from typing import Any


def compute(obj: Mapping[str, Any]) -> str:
    """Terminating, InProgress, Failed or Current."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != metadata["generation"]:
        return "InProgress"
    # The first of the two that is true decides, in list order.
    for condition in status.get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in _STANDARD:
            return _STANDARD[condition["type"]]
    return _by_ready(status)


def _by_ready(status: Mapping[str, Any]) -> str:
    ready = next((item for item in status.get("conditions") or () if item["type"] == "Ready"), None)
    # An object without a Ready condition counts as done.
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"


_STANDARD = {"Reconciling": "InProgress", "Stalled": "Failed"}

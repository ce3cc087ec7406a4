"""The time for which an object waits for an AWS quota, and how status words it. Pure."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuotaWait:
    """A wait for the quota of an operation."""

    operation: str
    """The service and operation, e.g. ssm.PutParameter."""
    per_second: float
    """The current rate in calls per second."""
    seconds: float
    """The estimated time until the object has made all of its calls."""

    def __str__(self) -> str:
        """Return the wait as a sentence without its end."""
        return f"waiting for AWS quota of {self.operation} ({self.per_second:.3g}/s){_about(self.seconds)}"


def _about(seconds: float) -> str:
    """Return a rounded duration: ", about 4 min"."""
    if math.isinf(seconds):
        return ""
    if seconds < 10:
        return ", less than 10 s"
    if seconds < 60:
        return f", about {math.ceil(seconds / 10) * 10} s"
    minutes = math.ceil(seconds / 60)
    return f", about {minutes} min" if minutes < 120 else f", about {math.ceil(seconds / 3600)} h"

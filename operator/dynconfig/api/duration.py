"""Durations as users write them: 90s, 10m, 1h30m."""

import re

DURATION = r"^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$"
_UNITS = {"h": 3600, "m": 60, "s": 1}


def seconds(duration: str) -> int:
    """Return a duration such as 1h30m in seconds."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(?<![0-9])([0-9]+)([hms])", duration))

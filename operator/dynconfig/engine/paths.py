"""Which paths a namespace may use."""

# No path begins so, for each begins with a slash.
NOWHERE = ("nowhere",)
"""The paths of a namespace that may use none; an empty tuple allows any."""


def is_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    """Whether a path is one of those that are allowed, or below one."""
    return not allowed or any(f"{path}/".startswith(f"{prefix.rstrip('/')}/") for prefix in allowed)


def told(allowed: tuple[str, ...]) -> str:
    """What may be used, as the end of a sentence."""
    return "none" if allowed == NOWHERE else f"paths below {', '.join(allowed)}"

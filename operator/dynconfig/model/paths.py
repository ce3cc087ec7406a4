"""The Parameter Store paths that a namespace may use."""

# Matches no path, since each path begins with a slash.
NOWHERE = ("nowhere",)
"""The paths of a namespace that may not use any. An empty tuple allows all paths."""


def is_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    """Whether a path is one of the allowed paths, or below one of them."""
    return not allowed or any(f"{path}/".startswith(f"{prefix.rstrip('/')}/") for prefix in allowed)


def describe(allowed: tuple[str, ...]) -> str:
    """Return the allowed paths as text."""
    return "none" if allowed == NOWHERE else f"paths below {', '.join(allowed)}"

"""A value as text, for people and programs; secrets are masked. Pure."""

from dynconfig.engine.secret import Secret
from dynconfig.engine.window import shortened


def shown(value: object) -> str:
    """A value as a report may show it that is compared with nothing: short, and never a secret."""
    return shortened(in_full(value))


def in_full(value: object) -> str:
    """A value as text, never a secret."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(inner if isinstance(inner, str) else "=".join(inner) for inner in value)
    return "" if value is None else str(value)

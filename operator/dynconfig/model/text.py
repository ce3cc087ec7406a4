"""Values as text; secrets are masked. Pure."""

from dynconfig.model.secret import Secret
from dynconfig.model.window import shortened


def shown(value: object) -> str:
    """Return a value as shortened text; secrets are masked."""
    return shortened(in_full(value))


def in_full(value: object) -> str:
    """Return a value as full text; secrets are masked."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(inner if isinstance(inner, str) else "=".join(inner) for inner in value)
    return "" if value is None else str(value)

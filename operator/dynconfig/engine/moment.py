"""Moments as Kubernetes writes them."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """A moment as Kubernetes writes it, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

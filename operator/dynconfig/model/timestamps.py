"""Timestamps in the format of Kubernetes."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """Return a timestamp in the format of Kubernetes, with a resolution of one second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Timestamps in the format of Kubernetes."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """Return a timestamp in the format of Kubernetes, with a resolution of one second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precise_timestamp(seconds: float) -> str:
    """Return a timestamp with a resolution of one microsecond, as in a Lease."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> float:
    """Return a timestamp in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()

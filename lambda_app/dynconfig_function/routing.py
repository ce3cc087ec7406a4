"""Tells who calls: an HTTP API, a schedule, Parameter Store by way of EventBridge, or somebody directly."""

from __future__ import annotations


class Http:
    """A request to an API Gateway HTTP API, payload format 2.0."""

    __slots__ = ("is_health",)

    def __init__(self, path: str) -> None:
        self.is_health = path.rstrip("/").endswith("/health")


class Schedule:
    """A tick of EventBridge Scheduler or of a schedule rule."""


class Change:
    """A Parameter Store Change event, which tells the full name, but neither value nor version."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Direct:
    """Any other call; `show` lists relative names whose values are wanted, too."""

    __slots__ = ("show",)

    def __init__(self, show: object) -> None:
        self.show = show


def route(event: object) -> Http | Schedule | Change | Direct:
    """Who calls with this event; what is unknown counts as a direct call."""
    if not isinstance(event, dict):
        return Direct(None)
    context = event.get("requestContext")
    if event.get("version") == "2.0" and isinstance(context, dict) and "http" in context:
        return Http(str(event.get("rawPath", "")))
    match event.get("source"), event.get("detail-type"):
        case "aws.ssm", "Parameter Store Change":
            return Change(_name(event.get("detail")))
        case (("aws.scheduler" | "aws.events"), "Scheduled Event"):
            return Schedule()
    return Direct(event.get("show"))


def _name(detail: object) -> str:
    return str(detail.get("name", "")) if isinstance(detail, dict) else ""

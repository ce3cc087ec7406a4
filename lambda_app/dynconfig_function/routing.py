"""Identify the event source: an HTTP API, a schedule, a Parameter Store event, or a direct invocation."""

from __future__ import annotations


class Http:
    """A request to an API Gateway HTTP API or a function URL, payload format 2.0.

    A request authorised by IAM contains the caller identity, which a caller cannot set.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """

    __slots__ = ("is_health", "is_signed")

    def __init__(self, path: str, *, is_signed: bool) -> None:
        self.is_health = path.rstrip("/").endswith("/health")
        self.is_signed = is_signed


class Schedule:
    """An invocation by EventBridge Scheduler or a schedule rule."""


class Change:
    """A Parameter Store Change event, with the full name but neither value nor version."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Direct:
    """Any other invocation; `show` lists the relative names whose values are requested, default all.

    An empty event, or one with only `show`, comes from a caller with lambda:InvokeFunction. Any other event may come from a
    service, and the response may be sent to a destination.
    """

    __slots__ = ("is_by_hand", "show")

    def __init__(self, show: object, *, is_by_hand: bool) -> None:
        self.show = show
        self.is_by_hand = is_by_hand


def route(event: object) -> Http | Schedule | Change | Direct:
    """Return the source of this event; unknown events count as direct invocations."""
    if not isinstance(event, dict):
        return Direct(None, is_by_hand=event is None)
    context = event.get("requestContext")
    if event.get("version") == "2.0" and isinstance(context, dict) and "http" in context:
        return Http(str(event.get("rawPath", "")), is_signed=_is_signed(context.get("authorizer")))
    match event.get("source"), event.get("detail-type"):
        case "aws.ssm", "Parameter Store Change":
            return Change(_name(event.get("detail")))
        case (("aws.scheduler" | "aws.events"), "Scheduled Event"):
            return Schedule()
    return Direct(event.get("show"), is_by_hand=not event or set(event) == {"show"})


def _is_signed(authorizer: object) -> bool:
    return isinstance(authorizer, dict) and isinstance(authorizer.get("iam"), dict)


def _name(detail: object) -> str:
    return str(detail.get("name", "")) if isinstance(detail, dict) else ""

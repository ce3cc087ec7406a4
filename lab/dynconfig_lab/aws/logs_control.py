"""CloudWatch Logs groups as AWS implements them, and the metrics in log events.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from moto.logs.models import logs_backends

from dynconfig_lab.aws import accounts, tag_rules
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.requests import Request

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
MOST_TAGS = 50
_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")

Extract = Callable[[str, Iterable[str]], None]


class LogsControl:
    """Handles the calls about log groups that moto gets wrong; other calls pass through to moto."""

    def __init__(self, extract: Extract) -> None:
        """`extract` receives region and lines, and stores the metrics in them."""
        self._extract = extract

    def handle(self, request: Request) -> Answer:
        """The response to a call. Raises AwsError."""
        handler = _HANDLERS.get(request.call.operation)
        return handler(self, request) if handler else request.forward()

    def _create(self, request: Request) -> Answer:
        document = request.document
        name = document["logGroupName"]
        if not _NAME.fullmatch(name):
            raise _invalid("logGroupName", name, f"Member must satisfy regular expression pattern: {_NAME.pattern}")
        _check_tags(document.get("tags") or {})
        if name not in _backend(request).groups:
            # Moto gives a new group the tags of a deleted group with the same name.
            _drop_tags(request, name)
        return request.forward()

    def _retention(self, request: Request) -> Answer:
        days = request.document["retentionInDays"]
        if days not in RETENTION_DAYS:
            allowed = ", ".join(map(str, RETENTION_DAYS))
            raise _invalid("retentionInDays", days, f"Member must satisfy enum value set: [{allowed}]")
        return request.forward()

    def _delete(self, request: Request) -> Answer:
        answer = request.forward()
        if answer.is_success:
            _drop_tags(request, request.document["logGroupName"])
        return answer

    def _tags(self, request: Request) -> Answer:
        document = request.document
        arn = document["resourceArn"]
        backend = _backend(request)
        if arn not in {group.arn for group in backend.groups.values()}:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        added = document.get("tags") or {}
        _check_tags({**backend.list_tags_for_resource(arn), **added} if added else {})
        return request.forward()

    def _put_events(self, request: Request) -> Answer:
        answer = request.forward()
        if answer.is_success:
            self._extract(request.region, [str(event["message"]) for event in request.document["logEvents"]])
        return answer


def _backend(request: Request) -> Any:
    return logs_backends[accounts.current()][request.region]


def _drop_tags(request: Request, name: str) -> None:
    _backend(request).tagger.delete_all_tags_for_resource(
        f"arn:aws:logs:{request.region}:{accounts.current()}:log-group:{name}"
    )


def _check_tags(tags: dict[str, str]) -> None:
    tag_rules.check_map(tags, "InvalidParameterException")
    if len(tags) > MOST_TAGS:
        raise AwsError("TooManyTagsException", "The resource can have no more than 50 tags.")
    reserved = [key for key in tags if key.lower().startswith("aws:")]
    if reserved:
        raise AwsError("InvalidParameterException", f"aws: prefixed tag key names are not allowed: {reserved[0]}")


def _invalid(member: str, value: object, constraint: str) -> AwsError:
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return AwsError("InvalidParameterException", text)


_HANDLERS: dict[str, Callable[[LogsControl, Request], Answer]] = {
    "CreateLogGroup": LogsControl._create,
    "PutRetentionPolicy": LogsControl._retention,
    "DeleteLogGroup": LogsControl._delete,
    "TagResource": LogsControl._tags,
    "UntagResource": LogsControl._tags,
    "ListTagsForResource": LogsControl._tags,
    "PutLogEvents": LogsControl._put_events,
}

"""Tags of alarms and dashboards, stored where moto's tagging API finds them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_TagResource.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from dynconfig_lab.aws import accounts, cloudwatch_dashboards, cloudwatch_rules
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_alarm import alarms_of

Request = Mapping[str, Any]
Tags = Sequence[Mapping[str, str]]


def listed(request: Request, region: str) -> dict[str, Any]:
    """ListTagsForResource: an empty list if the resource does not exist."""
    return {"Tags": _tagger(request["ResourceARN"], region).list_tags_for_resource(request["ResourceARN"])["Tags"]}


def tag(request: Request, region: str) -> None:
    """TagResource. Raises AwsError."""
    arn, present = request["ResourceARN"], {item["Key"] for item in listed(request, region)["Tags"]}
    _require(arn, region)
    cloudwatch_rules.check_tags(request["Tags"], len(present - {item["Key"] for item in request["Tags"]}))
    add(arn, region, request["Tags"])


def untag(request: Request, region: str) -> None:
    """UntagResource. Raises AwsError."""
    _require(request["ResourceARN"], region)
    _tagger(request["ResourceARN"], region).untag_resource_using_names(request["ResourceARN"], request["TagKeys"])


def add(arn: str, region: str, tags: Tags) -> None:
    """Set tags and keep the existing others."""
    _tagger(arn, region).tag_resource(arn, list(tags))


def forget(arn: str, region: str) -> None:
    """Remove the tags of a deleted resource."""
    _tagger(arn, region).delete_all_tags_for_resource(arn)


def _require(arn: str, region: str) -> None:
    resource = arn.partition(f":{accounts.current()}:")[2]
    if resource.startswith("dashboard/"):
        is_known = resource.removeprefix("dashboard/") in cloudwatch_dashboards.dashboards()
    else:
        # The name of an alarm may contain colons and slashes.
        kind, _, name = resource.partition(":")
        is_known = kind == "alarm" and arn.split(":")[3] == region and name in alarms_of(region)
    if not is_known:
        raise AwsError("ResourceNotFoundException", f"Unknown resource: {arn}", 404)


def _tagger(arn: str, region: str) -> Any:
    home = cloudwatch_dashboards.HOME if ":dashboard/" in arn else region
    return cloudwatch_backends[accounts.current()][home].tagger

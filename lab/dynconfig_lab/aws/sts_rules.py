"""What AssumeRole rejects, and the context that a trust policy is evaluated in. Pure.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import re
from collections.abc import Collection, Mapping, Sequence

from dynconfig_lab.aws.accounts import Caller
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.conditions import Context

Tags = Mapping[str, str]

SHORTEST_SECONDS = 900
LONGEST_SECONDS = 43200
CHAINED_SECONDS = 3600
MOST_TAGS = 50
LONGEST_NAME = 64
_ROLE = re.compile(r"arn:[^:]+:iam::[0-9]{12}:role/\S+")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


def check_request(role: str, name: str, seconds: int, external_id: str | None) -> None:
    """Check the constraints of the fields.

    Recorded: LocalStack, tests/aws/services/sts/test_sts.snapshot.json, for the ARN and the name.
    """
    if not _ROLE.fullmatch(role):
        raise AwsError("ValidationError", f"{role} is invalid")
    if len(name) > LONGEST_NAME:
        raise _constraint("roleSessionName", name, f"Member must have length less than or equal to {LONGEST_NAME}")
    if not _SESSION_NAME.fullmatch(name):
        raise _constraint("roleSessionName", name, r"Member must satisfy regular expression pattern: [\w+=,.@-]*")
    if external_id is not None and not _EXTERNAL_ID.fullmatch(external_id):
        raise _constraint("externalId", external_id, r"Member must satisfy regular expression pattern: [\w+=,.@:\/-]*")
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        limit = "greater than or equal to 900" if seconds < SHORTEST_SECONDS else "less than or equal to 43200"
        raise _constraint("durationSeconds", str(seconds), f"Member must have value {limit}")


def check_tags(tags: Sequence[tuple[str, str]], transitive: Collection[str], inherited: Collection[str]) -> None:
    """Check session tags; `inherited` are the keys of the transitive tags of the calling session.

    Recorded: LocalStack, tests/aws/services/sts/test_sts.snapshot.json, for duplicate and transitive keys.
    """
    if len(tags) > MOST_TAGS:
        raise _constraint("tags", "[…]", f"Member must have length less than or equal to {MOST_TAGS}")
    keys = [key.lower() for key, _value in tags]
    if len(set(keys)) < len(keys):
        raise AwsError(
            "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    if not {key.lower() for key in transitive} <= set(keys):
        text = "The specified transitive tag key must be included in the requested tags."
        raise AwsError("InvalidParameterValue", text)
    if not {key.lower() for key in inherited}.isdisjoint(keys):
        text = (
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the "
            "calling session."
        )
        raise AwsError("InvalidParameterValue", text)


def check_duration(seconds: int, longest: int, *, is_chained: bool) -> None:
    """A session lasts at most as long as its role allows; one that a session started, an hour.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html
    """
    if is_chained and seconds > CHAINED_SECONDS:
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise AwsError("ValidationError", text)
    if seconds > longest:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


def context(who: Caller, name: str, external_id: str | None, tags: Tags, transitive: Collection[str]) -> Context:
    """Return the condition keys of a request for a session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    found: dict[str, str | Sequence[str]] = {
        "sts:rolesessionname": name,
        "aws:principalarn": who.role_arn or who.arn,
        "aws:principalaccount": who.account,
        **{f"aws:principaltag/{key.lower()}": value for key, value in who.tags.items()},
        **{f"aws:requesttag/{key.lower()}": value for key, value in tags.items()},
    }
    if external_id is not None:
        found["sts:externalid"] = external_id
    if tags:
        found["aws:tagkeys"] = sorted(tags)
    if transitive:
        found["sts:transitivetagkeys"] = sorted(transitive)
    return found


def _constraint(member: str, value: str, rule: str) -> AwsError:
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
    return AwsError("ValidationError", text)

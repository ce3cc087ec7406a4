"""What IAM rejects in roles and their policies, and moto accepts. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from dynconfig_lab.aws import tag_rules
from dynconfig_lab.aws.answers import AwsError

INLINE_CHARACTERS = 10240
TRUST_CHARACTERS = 2048
MOST_TAGS = 50
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_POLICY_TEXT = re.compile(r"[\t\n\r\u0020-\u00ff]+")
_ARN = re.compile(r"arn:[^:\s]+:iam::[^:\s]*:policy/\S+")


def check_name(name: str, member: str = "roleName", longest: int = 64) -> None:
    """Letters, digits and some signs, up to a limit."""
    if not _NAME.fullmatch(name):
        raise AwsError(
            "ValidationError",
            f"The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the "
            "following: +=,.@_-",
        )
    if len(name) > longest:
        text = f"1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: "
        raise AwsError("ValidationError", f"{text}Member must have length less than or equal to {longest}")


def check_trust(document: str) -> None:
    """A trust policy is valid JSON of limited length."""
    check_text(document, "assumeRolePolicyDocument")
    try:
        json.loads(document)
    except ValueError:
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from None
    try:
        IAMTrustPolicyDocumentValidator(document).validate()
    except MalformedPolicyDocument as error:
        raise AwsError("MalformedPolicyDocument", error.message) from None
    if _counted(document) > TRUST_CHARACTERS:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS}", 409)


def check_text(document: str, member: str) -> None:
    """Policies contain only characters up to U+00FF."""
    if not _POLICY_TEXT.fullmatch(document):
        raise AwsError("ValidationError", f"The specified value for {member} is invalid.")


def check_inline(name: str, role: str, document: str, others: Iterable[str]) -> None:
    """All inline policies of a role share one limit; white space does not count."""
    check_name(name, "policyName", 128)
    check_text(document, "policyDocument")
    if _counted(document) + sum(map(_counted, others)) > INLINE_CHARACTERS:
        text = f"Maximum policy size of {INLINE_CHARACTERS} bytes exceeded for role {role}"
        raise AwsError("LimitExceeded", text, 409)


def check_tags(added: Sequence[Mapping[str, str]], present: Iterable[str] = ()) -> None:
    """Raise for invalid tags, and for more than fifty together with the existing keys."""
    tag_rules.check_list(added, "ValidationError")
    if len({*(tag["Key"] for tag in added), *present}) > MOST_TAGS:
        raise AwsError("LimitExceeded", "The number of tags has reached the maximum limit.", 409)


def check_policy_arn(arn: str) -> None:
    """A managed policy is named by its ARN."""
    if not _ARN.fullmatch(arn):
        raise AwsError("ValidationError", f"Invalid ARN: {arn}")


def _counted(document: str) -> int:
    return len(re.sub(r"\s", "", document))

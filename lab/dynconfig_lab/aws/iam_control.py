"""IAM roles as AWS implements them: case-insensitive names, validated policies.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from dynconfig_lab.aws import iam_rules, roles
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.requests import Request
from dynconfig_lab.aws.roles import Roles

Fields = dict[str, str]


class IamControl:
    """Handles IAM's calls about roles; other calls pass through to moto."""

    def __init__(self, known: Roles) -> None:
        """`known` is notified of writes."""
        self._roles = known

    def handle(self, request: Request) -> Answer:
        """The response to a call. Raises AwsError."""
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        name = fields.get("RoleName")
        if name is None:
            return request.forward()
        iam_rules.check_name(name)
        if request.call.operation == "CreateRole":
            return self._create(request, fields)
        role = roles.named(name)
        if role is None:
            raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        before = str(role.assume_role_policy_document)
        _CHECKS.get(request.call.operation, _nothing)(fields, role)
        # Moto finds the name only in the spelling of its creation.
        answer = _sent(request, {**fields, "RoleName": role.name})
        if answer.is_success and request.call.operation == "UpdateAssumeRolePolicy":
            self._roles.written(role.name, before)
        return answer

    def _create(self, request: Request, fields: Fields) -> Answer:
        name = fields["RoleName"]
        iam_rules.check_trust(fields.get("AssumeRolePolicyDocument", ""))
        iam_rules.check_tags(_tags_of(fields))
        if roles.named(name) is not None:
            raise AwsError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        answer = request.forward()
        if answer.is_success:
            self._roles.written(name)
        return answer


def _trust(fields: Fields, _role: Any) -> None:
    iam_rules.check_trust(fields.get("PolicyDocument", ""))


def _inline(fields: Fields, role: Any) -> None:
    policy = fields.get("PolicyName", "")
    others = (str(text) for known, text in role.policies.items() if known != policy)
    iam_rules.check_inline(policy, role.name, fields.get("PolicyDocument", ""), others)


def _tags(fields: Fields, role: Any) -> None:
    iam_rules.check_tags(_tags_of(fields), [tag["Key"] for tag in role.tags])


def _tags_of(fields: Fields) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    while (key := fields.get(f"Tags.member.{len(found) + 1}.Key")) is not None:
        found.append({"Key": key, "Value": fields.get(f"Tags.member.{len(found) + 1}.Value", "")})
    return found


def _attached(fields: Fields, _role: Any) -> None:
    iam_rules.check_policy_arn(fields.get("PolicyArn", ""))


def _nothing(_fields: Fields, _role: Any) -> None:
    """Moto validates the rest."""


def _sent(request: Request, fields: Mapping[str, str]) -> Answer:
    return request.send(request.path, request.query_string, urlencode(fields).encode())


_CHECKS: dict[str, Callable[[Fields, Any], None]] = {
    "UpdateAssumeRolePolicy": _trust,
    "PutRolePolicy": _inline,
    "TagRole": _tags,
    "AttachRolePolicy": _attached,
}

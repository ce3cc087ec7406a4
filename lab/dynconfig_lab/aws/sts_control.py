"""STS as AWS implements it: AssumeRole decided by the role's trust policy, and GetCallerIdentity.

What the policies of the caller allow is not evaluated, as for all other calls in the lab.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from dynconfig_lab.aws import accounts, policies, roles, sts_rules
from dynconfig_lab.aws.accounts import Caller
from dynconfig_lab.aws.answers import Answer, AwsError, parse_form
from dynconfig_lab.aws.requests import Request
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.sessions import Session, Sessions
from dynconfig_lab.aws.sts_rules import Tags

Fields = Mapping[str, str]

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_HOUR = 3600
_NOT_EMULATED = re.compile(r"(Policy|PolicyArns|SerialNumber|TokenCode|SourceIdentity|ProvidedContexts)(\.|$)")


class StsControl:
    """Handles the calls that moto gets wrong; other calls pass through to moto."""

    def __init__(self, known: Roles, sessions: Sessions) -> None:
        self._roles = known
        self._sessions = sessions

    def handle(self, request: Request) -> Answer:
        """The response to a call. Raises AwsError."""
        if request.call.operation == "AssumeRole":
            return self._assume_role(dict(parse_form(request.body)))
        if request.call.operation == "GetCallerIdentity":
            return _identity(accounts.caller())
        return request.forward()

    def _assume_role(self, fields: Fields) -> Answer:
        """Start a session of a role."""
        for name in fields:
            if _NOT_EMULATED.match(name):
                raise AwsError("NotEmulated", f"The lab does not emulate {name} of AssumeRole.")
        who, arn, name = accounts.caller(), fields.get("RoleArn", ""), fields.get("RoleSessionName", "")
        seconds = int(fields.get("DurationSeconds") or _HOUR)
        transitive = frozenset(_listed(fields, "TransitiveTagKeys"))
        sts_rules.check_request(arn, name, seconds, fields.get("ExternalId"))
        sts_rules.check_tags(list(_pairs(fields)), transitive, who.transitive)
        tags, transitive = {**_inherited(who), **dict(_pairs(fields))}, transitive | who.transitive
        context = sts_rules.context(who, name, fields.get("ExternalId"), tags, transitive)
        trust = self._roles.trust(arn)
        for action in ("sts:AssumeRole", *(("sts:TagSession",) if tags else ())):
            if not policies.lets_assume(trust, action, who, context):
                # A role that does not exist gets the same response.
                # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html
                # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html (sts:TagSession)
                text = f"User: {who.arn} is not authorized to perform: {action} on resource: {arn}"
                raise AwsError("AccessDenied", text, 403)
        role = roles.find(arn)
        sts_rules.check_duration(seconds, int(role.max_session_duration or _HOUR), is_chained=bool(who.role_arn))
        return _assumed(self._sessions.new(_session_of(role, name, tags, transitive), seconds))


def _session_of(role: Any, name: str, tags: Tags, transitive: frozenset[str]) -> Caller:
    account = role.arn.split(":")[4]
    # The path of the role is not part of it: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    arn = f"arn:aws:sts::{account}:assumed-role/{role.name}/{name}"
    return Caller(account, arn, f"{role.id}:{name}", role.arn, tags, transitive)


def _inherited(who: Caller) -> Tags:
    """The transitive tags of the calling session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining
    """
    return {key: value for key, value in who.tags.items() if key in who.transitive}


def _pairs(fields: Fields) -> Iterator[tuple[str, str]]:
    number = 1
    while (key := fields.get(f"Tags.member.{number}.Key")) is not None:
        yield key, fields.get(f"Tags.member.{number}.Value", "")
        number += 1


def _listed(fields: Fields, name: str) -> Iterator[str]:
    number = 1
    while (value := fields.get(f"{name}.member.{number}")) is not None:
        yield value
        number += 1


def _identity(who: Caller) -> Answer:
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    return _answer("GetCallerIdentity", {"Arn": who.arn, "UserId": who.user_id, "Account": who.account})


def _assumed(session: Session) -> Answer:
    expires = datetime.fromtimestamp(session.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    credentials = {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": expires,
    }
    user = {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn}
    return _answer("AssumeRole", {"Credentials": credentials, "AssumedRoleUser": user})


def _answer(operation: str, result: Mapping[str, Any]) -> Answer:
    body = (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{_xml(result)}</{operation}Result>'
        f"<ResponseMetadata><RequestId>lab</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Answer("200 OK", (("Content-Type", "text/xml"),), body.encode())


def _xml(fields: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_xml(value) if isinstance(value, Mapping) else escape(str(value))}</{name}>"
        for name, value in fields.items()
    )

"""Who a request is from: the owner of its access key, which may be a session of a role that expires."""

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import iam_backends

from dynconfig_lab.aws import faults
from dynconfig_lab.aws.accounts import ACCOUNT, Caller, administrator
from dynconfig_lab.aws.answers import AwsError

_TEMPORARY = "ASIA"
_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Session:
    """Temporary credentials of an assumed role."""

    caller: Caller
    access_key: str
    secret_key: str
    token: str
    expires: float
    """Seconds since the epoch, by AWS's clock."""


class Sessions:
    """The sessions of assumed roles. An access key that IAM did not issue is an administrator's: of the account with this
    number, or of the home account."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sessions: dict[str, Session] = {}

    def clear(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()

    def new(self, caller: Caller, seconds: int) -> Session:
        """Start a session of a role."""
        access_key = _TEMPORARY + "".join(secrets.choice(_LETTERS) for _ in range(16))
        session = Session(
            caller, access_key, secrets.token_urlsafe(30), secrets.token_urlsafe(64), self._now() + seconds
        )
        self._sessions[access_key] = session
        return session

    def caller(self, access_key: str) -> Caller:
        """Return the owner of an access key, also of one that has expired."""
        session = self._sessions.get(access_key)
        if session:
            return session.caller
        if len(access_key) == len(ACCOUNT) and access_key.isdecimal():
            return administrator(access_key)
        return _known_to_moto(access_key) or administrator(ACCOUNT)

    def check(self, access_key: str, service: str) -> None:
        """Raise AwsError if the access key is temporary, and unknown or expired.

        https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
        """
        session = self._sessions.get(access_key)
        if session and session.expires <= self._now():
            raise faults.expired(service)
        if not session and access_key.startswith(_TEMPORARY) and _known_to_moto(access_key) is None:
            text = "The security token included in the request is invalid."
            is_query = service in ("sts", "iam")
            raise AwsError(
                "InvalidClientTokenId" if is_query else "UnrecognizedClientException", text, 403 if is_query else 400
            )


def _known_to_moto(access_key: str) -> Caller | None:
    """The owner of a key that moto issued: an IAM user, or a session by another call than AssumeRole."""
    for account, partitions in list(iam_backends.items()):
        backend: Any = partitions["aws"]
        if access_key in backend.access_keys:
            return _user(account, backend.get_user_from_access_key_id(access_key), backend.access_keys[access_key])
    return None


def _user(account: str, user: Any, key: Any) -> Caller:
    if user is not None:
        return Caller(account, user.arn, user.id, tags=_tags(user))
    role = key.role_arn or ""
    return Caller(account, role or administrator(account).arn, "", role)


def _tags(user: Any) -> Mapping[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in getattr(user, "tags", None) or ()}

"""Checks that a session has credentials before a call, and reports what is missing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from botocore import credentials as botocore
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from dynconfig.aws.errors import without_credentials
from dynconfig.model.errors import CredentialsMissing

# A failed lookup may take seconds (metadata endpoint timeout), and concurrent calls wait for each other: cache the failure.
FAILURE_TTL_SECONDS = 5.0


class Frozen(Protocol):
    """Credentials that botocore refreshes before they expire."""

    def get_frozen_credentials(self) -> Any:
        """Return the current access key, secret key and session token."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes the calls of a client."""

    credentials: Frozen | None = None
    """None for those of the session."""
    account: str = ""
    """The account of the credentials; empty if it is that of the session."""

    def place(self, region: str) -> str:
        """Return what has quotas of its own in AWS: an account and region."""
        return f"{self.account}/{region}" if self.account else region


OWN = Principal()
_assumed: ContextVar[Principal] = ContextVar("principal", default=OWN)


def place(region: str) -> str:
    """Return account and region of the call that is being made."""
    return _assumed.get().place(region)


@contextmanager
def called_by(principal: Principal) -> Iterator[None]:
    """Sign requests with the credentials of a principal."""
    token = _assumed.set(principal)
    try:
        yield
    finally:
        _assumed.reset(token)


class _SigningCredentials(botocore.Credentials):
    """Those of the role in whose name the current thread calls AWS, or the session's own.

    So all targets share one client for each service and region, which has several megabytes.
    """

    def __init__(self, own: Frozen) -> None:
        super().__init__("", "", method="dynconfig")
        self._own = own

    def get_frozen_credentials(self) -> Any:
        """Return what the next request is signed with. Raises DynConfigError if a role cannot be assumed."""
        return (_assumed.get().credentials or self._own).get_frozen_credentials()


class SharedSession(Session):
    """A botocore session whose clients sign requests with the credentials of several roles."""

    def get_credentials(self) -> Any:
        """Return the credentials of all clients; None if the session itself has none."""
        own = super().get_credentials()
        return None if own is None else _SigningCredentials(own)


class Credentials:
    """The credentials of one session. Not thread-safe. Without a TtlCache, since there is one failure at most."""

    def __init__(self, session: Session, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._failure = ""
        self._until = 0.0

    def check(self) -> None:
        """Raise CredentialsMissing if there are none; a failure is cached for some seconds."""
        if self._failure and self._clock() < self._until:
            raise CredentialsMissing(self._failure)
        failure = self._lookup()
        self._failure, self._until = str(failure or ""), self._clock() + FAILURE_TTL_SECONDS
        if failure is not None:
            raise failure

    def _lookup(self) -> CredentialsMissing | None:
        """Look up the credentials. A client created without credentials would never get any."""
        try:
            found = self._session.get_credentials()
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            # ValueError: an endpoint that botocore rejects, or invalid JSON.
            return without_credentials(error)
        if found is None:
            return CredentialsMissing("no AWS credentials: neither environment nor profile nor instance has any")
        return None

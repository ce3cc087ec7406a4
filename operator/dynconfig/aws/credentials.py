"""Checks that a session has credentials before a call, and reports what is missing."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from dynconfig.aws.errors import without_credentials
from dynconfig.model.errors import CredentialsMissing

# A failed lookup may take seconds (metadata endpoint timeout), and concurrent calls wait for each other: cache the failure.
FAILURE_TTL_SECONDS = 5.0


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

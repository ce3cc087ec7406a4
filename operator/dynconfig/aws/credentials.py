"""Has the credentials of a session found before anything is asked of AWS, and says what is missing where there are none."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from dynconfig.aws.errors import without_credentials
from dynconfig.engine.errors import CredentialsMissing

# To look may take seconds, at an address that nobody answers; many ask at once, and each of them would wait for the others.
BELIEVED_SECONDS = 5.0


class Credentials:
    """Those of one session. Used by one thread at a time."""

    def __init__(self, session: Session, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._failure = ""
        self._until = 0.0

    def check(self) -> None:
        """Raises CredentialsMissing where there are none, now or a moment ago."""
        if self._failure and self._clock() < self._until:
            raise CredentialsMissing(self._failure)
        failure = self._found()
        self._failure, self._until = str(failure or ""), self._clock() + BELIEVED_SECONDS
        if failure is not None:
            raise failure

    def _found(self) -> CredentialsMissing | None:
        """botocore keeps what it finds. A client that is made without any keeps that, too, and never has any."""
        try:
            found = self._session.get_credentials()
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            # A ValueError is an address that botocore refuses to ask, or no JSON.
            return without_credentials(error)
        if found is None:
            return CredentialsMissing("no AWS credentials: neither environment nor profile nor instance has any")
        return None

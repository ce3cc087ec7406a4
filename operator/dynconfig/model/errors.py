"""The errors of a reconcile, grouped by what happens next. The class name is the reason in status."""

from collections.abc import Sequence

from dynconfig.model.quota_wait import QuotaWait


class DynConfigError(Exception):
    """An error with a reason and a message for the user, which never contains a secret."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def reason(self) -> str:
        """The reason in conditions and Events."""
        return type(self).__name__


class Terminal(DynConfigError):
    """Requires an edit or manual action. Sets Stalled; retried at the resync."""


class Retryable(DynConfigError):
    """May resolve itself. Sets Reconciling; retried after `delay` seconds, or with backoff if that is None."""

    def __init__(self, message: str, *, delay: float | None = None, code: str = "") -> None:
        super().__init__(message, code=code)
        self.delay = delay


class InvalidSpec(Terminal):
    """The spec is invalid."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        """`faults` lists the single faults of a message that joins several."""
        super().__init__(message)
        self.faults = tuple(faults) or (message,)


class PathNotAllowed(Terminal):
    """The namespace may not use this path."""


class NotAllowed(Terminal):
    """The namespace may not use this name, ARN, region or kind of resource."""


class NotOwned(Terminal):
    """A resource exists and has another owner, or has no owner and may not be adopted."""

    def __init__(
        self,
        message: str,
        *,
        titles: Sequence[str] = (),
        may_pass: bool = False,
        is_awaited: bool = False,
        subject: str = "",
    ) -> None:
        super().__init__(message)
        self.subject = subject
        """The beginning of the message if it is about one resource; the rest may apply to others, too."""
        self.titles = tuple(titles)
        """The resources, by kind and name."""
        self.may_pass = may_pass
        """Whether an owner is an object of this cluster, which may release them."""
        self.is_awaited = is_awaited
        """Whether the owners are about to release all of them, so no action is needed."""


class UnsafePlan(Terminal):
    """The plan would delete too much at once without approval."""


class NotPossible(Terminal):
    """AWS does not support the declared change in place."""


class AccessDenied(Terminal):
    """AWS denies the operator access."""


class TargetNotFound(Terminal):
    """The target of the object does not exist."""


class TargetNotReady(Terminal):
    """The target of the object is invalid, or its role or account is not as it declares."""


class TargetTerminating(Terminal):
    """The target is being deleted, and accepts no new objects."""


class TargetChanged(Terminal):
    """The target has another account or region than that where the object wrote: it was deleted and created again."""


class TargetNotVerified(Retryable):
    """AWS has not confirmed the credentials of the target yet."""


class WrongAccount(Terminal):
    """The credentials of a target belong to another account."""


class Refused(Terminal):
    """AWS rejected the request as invalid."""


class QuotaExceeded(Terminal):
    """An AWS service quota is exceeded."""


class SourceMissing(Retryable):
    """A Secret, ConfigMap or key does not exist yet."""


class NoSource(SourceMissing):
    """A Secret or ConfigMap does not exist."""


class SecretCheckDelayed(Retryable):
    """The namespace has changed its checks of Secrets too often; the check is delayed."""


class Throttled(Retryable):
    """Throttled by AWS or by the operator's own rate limit."""

    def __init__(
        self, message: str, *, delay: float | None = None, code: str = "", wait: QuotaWait | None = None
    ) -> None:
        """`wait` is given by the operator's own rate limit."""
        super().__init__(message, delay=delay, code=code)
        self.wait = wait


class Unavailable(Retryable):
    """AWS is unreachable or returned a server error."""


class Conflict(Retryable):
    """A concurrent write; retried after the next observation."""


class Settling(Retryable):
    """A write is still in progress in AWS."""


class DeletionDelayed(Retryable):
    """A parameter was just removed from spec. Its deletion is delayed so that other objects can declare it."""


class ReconcileLoop(Retryable):
    """A field was changed again after each correction, by another writer or by AWS."""


class RoleNotReady(Retryable):
    """The IAM role or its policies have not propagated to Lambda yet."""


class Unexpected(Retryable):
    """AWS returned an error code that the operator does not know, which is a bug."""


class InternalError(Retryable):
    """A bug in the operator. The message contains no value; the traceback is in the log."""


class AlarmFiring(Retryable):
    """An alarm of the object is firing, so changes are postponed."""


class CredentialsMissing(Retryable):
    """The operator has no valid AWS credentials."""


# Errors that abort the reconcile; all others concern a single resource.
STOPPING = (Throttled, Unavailable, CredentialsMissing)


PASSES_SOON = (Throttled, TargetNotVerified)
"""Errors that end by themselves, so that even an abandonment waits for it."""

GRANTS_NOTHING = (TargetNotFound, TargetTerminating, PathNotAllowed)
"""Errors of an object that cannot have written in its target, if its status records nothing."""

WITHOUT_ACCESS = (*GRANTS_NOTHING, TargetNotReady, TargetChanged, TargetNotVerified, *STOPPING)
"""Errors of an object that may not use its path or target, or not yet: nothing is handed over to it."""


class AlreadyExists(Conflict):
    """A resource with this name exists already."""


class VersionLimit(Refused):
    """SSM keeps 100 versions, and the oldest has a label, so no new version can be created."""


class LabelLimit(Refused):
    """The version already has the maximum of 10 labels."""


class NotFound(Conflict):
    """Not found. On a write, the resource was deleted meanwhile or is not propagated yet."""

"""Every way a reconcile can fail, named for what happens next; the class name is the reason a user sees."""

from collections.abc import Sequence


class DynConfigError(Exception):
    """A failure that has a reason and a message for the user; `str()` of it never holds a secret."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def reason(self) -> str:
        """The reason as it stands in conditions and Events."""
        return type(self).__name__


class Terminal(DynConfigError):
    """Only an edit or a person helps: Stalled, looked at again at the resync."""


class Retryable(DynConfigError):
    """It may pass: Reconciling, tried again after `delay` seconds, or with backoff where that is None."""

    def __init__(self, message: str, *, delay: float | None = None, code: str = "") -> None:
        super().__init__(message, code=code)
        self.delay = delay


class InvalidSpec(Terminal):
    """The declaration breaks a rule."""


class PathNotAllowed(Terminal):
    """The namespace may not use this path."""


class NotAllowed(Terminal):
    """The namespace may not use this name, ARN, region or kind of resource."""


class NotOwned(Terminal):
    """A resource exists and belongs to somebody else, or to nobody and may not be adopted."""

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
        """What the message begins with, if it is about one resource; the rest may be true of others, too."""
        self.titles = tuple(titles)
        """The resources, by kind and name."""
        self.may_pass = may_pass
        """Whether an owner is an object of this cluster, which may give them up."""
        self.is_awaited = is_awaited
        """Whether the owners are about to give up all of them, so that nobody has to do anything."""


class UnsafePlan(Terminal):
    """The plan would delete too much at once and nobody has approved it."""


class NotPossible(Terminal):
    """AWS cannot do in place what was declared."""


class AccessDenied(Terminal):
    """AWS refuses the operator."""


class Refused(Terminal):
    """AWS refuses what was declared."""


class QuotaExceeded(Terminal):
    """AWS holds as many as the account may have."""


class SourceMissing(Retryable):
    """A Secret or ConfigMap, or a key in it, is not there; it may still come."""


class NoSource(SourceMissing):
    """A whole Secret or ConfigMap is not there."""


class SecretCheckDelayed(Retryable):
    """The namespace has changed what it checks of Secrets too often: the answer comes later."""


class Throttled(Retryable):
    """AWS, or our own budget for it, asks to slow down."""


class Unavailable(Retryable):
    """AWS or the network does not answer, or answers with a fault of its own."""


class Conflict(Retryable):
    """Somebody wrote at the same moment; the next look tells how it ended."""


class Settling(Retryable):
    """A write was made, and AWS is still carrying it out."""


class DeletionDelayed(Retryable):
    """A parameter left spec a moment ago: before it is deleted, other objects have time to declare it."""


class ReconcileLoop(Retryable):
    """A field was changed again after each correction: someone else writes it, or AWS does not keep it."""


class RoleNotReady(Retryable):
    """IAM has the role, and Lambda has not heard of it yet, or of what it may do."""


class Unexpected(Retryable):
    """AWS answers with what no table of ours has: a bug, told to whoever reads the status as well."""


class InternalError(Retryable):
    """The operator failed with a bug: its message has no value in it, and the traceback is in the log."""


class AlarmFiring(Retryable):
    """An alarm of the object fires already, so that a change has to wait."""


class CredentialsMissing(Retryable):
    """The operator has no valid AWS credentials right now."""


# What makes every further call of this turn useless; all else is about one resource.
STOPPING = (Throttled, Unavailable, CredentialsMissing)


class AlreadyExists(Conflict):
    """Something of that name exists already."""


class VersionLimit(Refused):
    """SSM keeps 100 versions, and the oldest carries a label, so that no new version can be written."""


class LabelLimit(Refused):
    """SSM keeps 10 labels on a version, and this one has them."""


class NotFound(Conflict):
    """AWS does not have it: an answer to a kind that asks; to one that writes, it went away or is not known everywhere yet."""

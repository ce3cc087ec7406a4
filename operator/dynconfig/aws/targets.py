"""Sessions in the accounts of targets: each assumes its role again before its credentials expire."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.credentials import DeferredRefreshableCredentials

from dynconfig.aws.credentials import Principal
from dynconfig.aws.session import Client, Session
from dynconfig.model.errors import AccessDenied, DynConfigError, TargetNotVerified, Terminal, WrongAccount
from dynconfig.model.target import Target

# The longest that AWS allows if the operator's own identity is a session of a role. botocore assumes the role again a quarter
# of an hour before it ends: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html (role chaining)
SESSION_SECONDS = 3600
Now = Callable[[], float]
"""Seconds since the epoch."""


class TargetSession:
    """Creates the clients of one target. Thread-safe."""

    def __init__(self, session: Session, target: Target, principal: Principal) -> None:
        self._session = session
        self._target = target
        self._principal = principal
        self._clients: dict[tuple[str, str], Client] = {}
        self._lock = threading.Lock()
        self.is_verified: bool | None = None
        """Whether its credentials belong to the account, by the last answer of AWS; None if AWS was not asked yet."""

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service; the caller sets its type."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._session.client_of(self._principal, service, region)
            return self._clients[service, region]

    def verify(self) -> None:
        """Check that the credentials belong to the account of the target. Raises WrongAccount and errors of AWS calls."""
        try:
            self._check_account()
        except DynConfigError as error:
            # Credentials last longer than most failures of STS.
            self.is_verified = bool(self.is_verified) and not isinstance(error, Terminal)
            raise
        self.is_verified = True

    def _check_account(self) -> None:
        target = self._target
        found = str(self.client("sts", target.region).get_caller_identity()["Account"])
        if found != target.account:
            whose = f"role {target.role_arn}" if target.role_arn else "the operator's own identity"
            raise WrongAccount(
                f"the credentials of {whose} belong to account {found}, not to spec.account {target.account}. Nothing is "
                "written; correct spec.assumeRole, or create a target for that account"
            )


class TargetSessions:
    """The session of each target. Thread-safe."""

    def __init__(self, session: Session, cluster: str, now: Now = time.time, *, own_account: str | None = None) -> None:
        """`own_account` is the account of the session; AWS is asked for it if it is None."""
        self._session = session
        self._cluster = cluster
        self._now = now
        self._own_account = own_account
        self._quotas: dict[str, tuple[tuple[str, float], ...]] = {}
        self._sessions: dict[str, tuple[Target, TargetSession]] = {}
        self._lock = threading.Lock()
        self.forgotten: Callable[[str], None] = lambda _name: None
        """Called with the name of a target that no longer exists."""

    def session(self, target: Target) -> TargetSession:
        """Return the session of a target. If the target has changed since the last call, it is a new one."""
        # Not under the lock, since AWS may be slow to answer.
        self._learn_own_account(target.region)
        with self._lock:
            known = self._sessions.get(target.name)
            if known is None or known[0] != target.identity:
                known = self._sessions[target.name] = (target.identity, self._made(target))
            self._set_quota(target)
            return known[1]

    def session_at(self, target: Target) -> TargetSession:
        """Return a session for the location of a target; it does not replace that of one created again in another account."""
        with self._lock:
            known, _session = self._sessions.get(target.name, (None, None))
        if known is None or known.location == target.location:
            return self.session(target)
        self._learn_own_account(target.region)
        return self._made(target)

    def _made(self, target: Target) -> TargetSession:
        role = _credentials(self._session, target, self._cluster, self._now) if target.role_arn else None
        return TargetSession(self._session, target, Principal(role, self._account_of(target)))

    def current(self, target: Target) -> TargetSession | None:
        """Return the session of the target of this name if it was used, whatever its role; None for another account."""
        with self._lock:
            known, session = self._sessions.get(target.name, (None, None))
        return session if known is not None and known.location == target.location else None

    def _set_quota(self, target: Target) -> None:
        if self._quotas.get(target.name, ()) != target.quota:
            self._quotas[target.name] = target.quota
            place = Principal(account=self._account_of(target)).place(target.region)
            self._session.quota.set_overrides(target.name, place, dict(target.quota))

    def _account_of(self, target: Target) -> str:
        """Return the account of a target; empty if it is the operator's own, since both share its quotas."""
        return "" if target.account == self._own_account else target.account

    def _learn_own_account(self, region: str) -> None:
        if self._own_account is None:
            self._own_account = str(self._session.client("sts", region).get_caller_identity()["Account"])

    def verify(self, target: Target) -> None:
        """Check that the credentials belong to the account of a target. Raises WrongAccount and errors of AWS calls."""
        self.session(target).verify()

    def forget(self, name: str) -> None:
        """Forget a target that no longer exists."""
        with self._lock:
            self._sessions.pop(name, None)
            if self._quotas.pop(name, ()):
                self._session.quota.set_overrides(name, "", {})
        self.forgotten(name)


class VerifiedClient:
    """A client for the event queue of a target, which outlives changes of the target. For one thread.

    Each call is made with the credentials that the target has then, and with those that it had last once it is gone. They are
    verified before the first call. After a failure, the checks of the target and of its objects verify them again: a role that
    cannot be assumed is not tried more often.
    """

    def __init__(self, sessions: TargetSessions, target: Target, service: str) -> None:
        self._sessions = sessions
        self._target = target
        self._service = service
        self._known: TargetSession | None = None

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return a method. Raises TargetNotVerified, and errors as `TargetSession.verify`."""
        found = self._sessions.current(self._target) or self._known or self._sessions.session_at(self._target)
        if found.is_verified is None:
            found.verify()
        if not found.is_verified:
            raise TargetNotVerified(f"AWSTarget {self._target.name} is not ready; its status says why")
        self._known = found
        called: Callable[..., Any] = getattr(found.client(self._service, self._target.region), method)
        return called


def _credentials(session: Session, target: Target, cluster: str, now: Now) -> DeferredRefreshableCredentials:
    """Return credentials that assume the role when they are first used."""
    return DeferredRefreshableCredentials(
        partial(_assume, session, target, cluster), "assume-role", lambda: datetime.fromtimestamp(now(), UTC)
    )


def _assume(session: Session, target: Target, cluster: str) -> dict[str, str]:
    """Assume the role as the operator itself; return new credentials as botocore expects them."""
    tags = [{"Key": key, "Value": value} for key, value in target.session_tags(cluster)]
    try:
        answer = session.client("sts", target.region).assume_role(
            RoleArn=target.role_arn,
            RoleSessionName=target.session_name(cluster),
            DurationSeconds=SESSION_SECONDS,
            **({"ExternalId": target.external_id} if target.external_id else {}),
            **({"Tags": tags} if tags else {}),
        )
    except AccessDenied as error:
        # AWS gives the same answer if the role does not exist.
        raise AccessDenied(
            f"{error}; and allow it in the trust policy of role {target.role_arn}: principal, sts:ExternalId, and "
            "sts:TagSession for session tags, which EKS Pod Identity always passes (`dynconfig iam --trust target`)",
            code=error.code,
        ) from None
    found = answer["Credentials"]
    return {
        "access_key": found["AccessKeyId"],
        "secret_key": found["SecretAccessKey"],
        "token": found["SessionToken"],
        "expiry_time": found["Expiration"].isoformat(),
    }

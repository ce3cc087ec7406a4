"""The AWS account and the caller of the request that is being carried out; the accounts share one emulation."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

ACCOUNT = "123456789012"
"""The account of callers whose access key belongs to no other account."""


@dataclass(frozen=True)
class Caller:
    """Who makes a request: an administrator of an account, an IAM user, or a session of a role."""

    account: str
    arn: str
    user_id: str
    role_arn: str = ""
    """The role of the session; empty if it is a user."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The session tags."""
    transitive: frozenset[str] = frozenset()
    """The keys of the tags that sessions get which this session assumes."""


def administrator(account: str) -> Caller:
    """Return the caller of requests with an access key that IAM did not issue."""
    return Caller(account, f"arn:aws:iam::{account}:user/lab", "AIDALAB")


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def caller() -> Caller:
    """Return the caller of the current request; outside of requests, the administrator of the home account."""
    return _caller.get() or administrator(ACCOUNT)


def current() -> str:
    """Return the account of the current request; the home account outside of requests."""
    found = _caller.get()
    return found.account if found else ACCOUNT


@contextmanager
def acting_as(who: Caller) -> Iterator[None]:
    """Carry out the `with` block for this caller."""
    token = _caller.set(who)
    try:
        yield
    finally:
        _caller.reset(token)


@contextmanager
def acting_in(account: str) -> Iterator[None]:
    """Carry out the `with` block in an account, as AWS itself does after the request has ended."""
    with acting_as(administrator(account)):
        yield

"""Retry delays for pending writes and roles, and when a retry becomes a refusal."""

from itertools import pairwise

import pytest
from tests.engine.fake_kind import declared

from dynconfig.engine.retry_policy import LONGEST_WAIT, ROLE_SECONDS, RetryPolicy
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, DynConfigError, Refused, Retryable, RoleNotReady, Settling
from dynconfig.model.object_state import ObjectState

WORDS = "The role defined for the function cannot be assumed by Lambda."


def unready() -> RoleNotReady:
    return RoleNotReady(WORDS, delay=1.0, code="InvalidParameterValueException")


def waited(policy: RetryPolicy, seconds: float, declaration: Declaration | None = None) -> DynConfigError | None:
    """The message after a role was not ready for this long."""
    about = declaration or declared({})
    found: DynConfigError | None = None
    at = 0.0
    while at <= seconds:
        found = policy.apply(about, unready(), at)
        at += found.delay or 1.0 if isinstance(found, Retryable) else 1.0
    return found


def test_unpropagated_role_is_retried_with_backoff() -> None:
    policy, delays = RetryPolicy(ObjectState()), []
    for at in (0.0, 1.0, 10.0, 30.0, 100.0):
        error = policy.apply(declared({}), unready(), at)
        assert isinstance(error, RoleNotReady)
        assert WORDS in str(error)
        delays.append(error.delay or 0.0)
    assert delays[0] == 1.0
    assert all(later >= earlier for earlier, later in pairwise(delays))
    assert delays[-1] == LONGEST_WAIT


def test_missing_permission_of_a_role_is_an_error_after_minutes() -> None:
    error = waited(RetryPolicy(ObjectState()), ROLE_SECONDS + 20)
    assert isinstance(error, Refused)
    assert str(error).startswith(WORDS)
    assert "3 minutes" in str(error)


@pytest.mark.parametrize("between", [None, Conflict("busy")])
def test_backoff_is_reset_by_another_response(between: DynConfigError | None) -> None:
    policy = RetryPolicy(ObjectState())
    waited(policy, ROLE_SECONDS - 20)
    policy.apply(declared({}), between, ROLE_SECONDS)
    assert isinstance(policy.apply(declared({}), unready(), ROLE_SECONDS + 20), RoleNotReady)


def test_edit_resets_the_backoff() -> None:
    policy = RetryPolicy(ObjectState())
    assert isinstance(waited(policy, ROLE_SECONDS + 20), Refused)
    edited = declared({}, generation=2)
    assert isinstance(policy.apply(edited, unready(), ROLE_SECONDS + 30), RoleNotReady)


def test_pending_write_is_polled_with_backoff() -> None:
    policy, delays = RetryPolicy(ObjectState()), []
    for _ in range(50):
        error = policy.apply(declared({}), Settling("Function f is being updated"), 0.0)
        assert isinstance(error, Settling)
        delays.append(error.delay or 0.0)
    assert delays[0] == 0.5
    assert all(later >= earlier for earlier, later in pairwise(delays))
    assert delays[-1] == LONGEST_WAIT

"""The status of an AWSTarget: what a check found, written when it changes and once an hour."""

from typing import Any

import pytest

from dynconfig.model.errors import AccessDenied, DynConfigError, Unavailable, WrongAccount
from dynconfig.model.target import Target
from dynconfig.status.target import status

ROLE = "arn:aws:iam::210987654321:role/dynconfig"
TARGET = Target("prod", "eu-west-1", "210987654321", ROLE)
NOW = 1_700_000_000.0


def document(status: dict[str, Any] | None = None, generation: int = 3) -> dict[str, Any]:
    return {"metadata": {"name": "prod", "generation": generation}, "status": status or {"observedGeneration": -1}}


def found(checked: Target | DynConfigError, before: dict[str, Any] | None = None, now: float = NOW) -> dict[str, Any]:
    result = status(document(before), checked, (), now)
    assert result is not None
    return result


def test_verified_account_is_ready() -> None:
    assert found(TARGET) == {
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "AccountVerified",
                "message": f"The credentials of role {ROLE} belong to account 210987654321",
                "lastTransitionTime": "2023-11-14T22:13:20Z",
                "observedGeneration": 3,
            }
        ],
        "objects": 0,
        "account": "210987654321",
        "lastCheckedTime": "2023-11-14T22:13:20Z",
    }


def test_target_without_a_role_names_the_own_identity() -> None:
    message = found(Target("prod", "eu-west-1", "1"))["conditions"][0]["message"]
    assert message == "The credentials of the operator's own identity belong to account 1"


@pytest.mark.parametrize(
    ("error", "value"),
    [(AccessDenied("no"), "False"), (WrongAccount("no"), "False"), (Unavailable("no"), "Unknown")],
)
def test_error_names_its_reason_and_no_account(error: DynConfigError, value: str) -> None:
    result = found(error, found(TARGET))
    (ready,) = result["conditions"]
    assert (ready["status"], ready["reason"], ready["message"]) == (value, type(error).__name__, "no")
    # In a merge patch, null removes it.
    assert result["account"] is None


def test_transition_time_moves_only_with_the_status() -> None:
    first = found(AccessDenied("first"))
    second = found(AccessDenied("second"), first, NOW + 60)
    assert second["conditions"][0]["lastTransitionTime"] == first["conditions"][0]["lastTransitionTime"]
    third = found(TARGET, second, NOW + 120)
    assert third["conditions"][0]["lastTransitionTime"] == "2023-11-14T22:15:20Z"


def test_same_result_is_written_once_an_hour() -> None:
    stored = found(TARGET)
    assert status(document(stored), TARGET, (), NOW + 3599) is None
    assert found(TARGET, stored, NOW + 3600)["lastCheckedTime"] == "2023-11-14T23:13:20Z"
    assert status(document(stored, generation=4), TARGET, (), NOW + 1) is not None
    # The API server drops fields that are null.
    denied = {name: value for name, value in found(AccessDenied("no")).items() if value is not None}
    assert status(document(denied), AccessDenied("no"), (), NOW + 1) is None

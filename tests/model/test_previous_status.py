"""The previous status is read whatever an older version, a newer one or a person has written."""

from typing import Any

import pytest

from dynconfig.model.previous_status import PreviousStatus, ReportedParameter
from dynconfig.model.stored import RecordedPlace

ROLE = {"kind": "Role", "name": "reader"}


def test_missing_members_of_list_entries_have_defaults() -> None:
    found = PreviousStatus.of_object(
        {
            "status": {
                "observedGeneration": 1,
                "conditions": [{"type": "Ready", "status": "True"}],
                "parameters": [{"name": "/app/a", "version": 3}],
                "resources": [ROLE],
            }
        }
    )
    assert found.parameters == (ReportedParameter("/app/a", 3),)
    assert (found.conditions["Ready"].reason, found.resources[0].arn) == ("", "")
    assert found.or_none is found


@pytest.mark.parametrize(
    "status",
    [
        None,
        7,
        [],
        {"parameters": "a", "drift": [{}], "bake": {"until": "soon"}, "history": {}, "conditions": [{"type": 1}]},
    ],
)
def test_invalid_members_are_left_out(status: Any) -> None:
    found = PreviousStatus.of_object({"status": status})
    assert (found.parameters, found.drift, found.conditions, found.history) == ((), {}, {}, ())
    assert not found.is_baking
    assert found.or_none is None


@pytest.mark.parametrize(
    ("arn", "is_earlier"),
    [
        ("arn:aws:iam::123456789012:role/reader", True),
        ("arn:aws:iam::123456789012:role/dynconfig/reader", False),
        ("", False),
    ],
)
def test_roles_outside_the_path_of_the_operator_are_earlier_ones(arn: str, is_earlier: bool) -> None:
    found = PreviousStatus.of({"resources": [{**ROLE, "arn": arn}]})
    assert found.earlier_roles == (("reader",) if is_earlier else ())
    assert found.replaces("reader") is is_earlier


def test_place_is_recorded_without_resources() -> None:
    assert PreviousStatus.of({"observedGeneration": 1}).place is None
    found = PreviousStatus.of({"region": "eu-west-1"})
    assert (found.place, found.has_resources) == (RecordedPlace(region="eu-west-1"), False)
    assert PreviousStatus.of({"region": "eu-west-1", "parameters": [{"name": "/app/a", "version": 1}]}).has_resources


def test_full_drift_list_may_be_cut() -> None:
    drift = [{"resource": f"Parameter /app/{index}", "field": "value"} for index in range(100)]
    assert PreviousStatus.of({"drift": drift}).is_drift_cut
    assert not PreviousStatus.of({"drift": drift[1:]}).is_drift_cut

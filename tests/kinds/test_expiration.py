"""A parameter whose Expiration has passed is gone as declared; policies are checked before the first write."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.kinds.workshop import Workshop

from dynconfig.engine import report
from dynconfig.engine.errors import InvalidSpec
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine

pytestmark = pytest.mark.lab

END = datetime(2040, 1, 1, tzinfo=UTC)
EXPIRATION = {"type": "Expiration", "attributes": {"Timestamp": "2040-01-01T00:00:00.000Z"}}


def spec(plain: str, *policies: dict[str, Any]) -> dict[str, Any]:
    token = {"name": "token", "value": "t", "tier": "Advanced", "policies": list(policies)}
    return {"parameters": [token, {"name": "plain", "value": plain}]}


def run(workshop: Workshop, plain: str, now: float, **about: Any) -> Outcome:
    engine = Engine(lambda _place: (workshop.parameters(),))
    return engine.run(workshop.declare(spec(plain, EXPIRATION), **about), now=now)


def test_what_expired_is_gone_as_declared_and_the_rest_is_written(workshop: Workshop) -> None:
    before = run(workshop, "1", END.timestamp() - 10)
    assert before.is_complete
    status = workshop.status(before)
    workshop.aws().delete_parameter(Name=f"{workshop.path}/token")
    outcome = run(workshop, "2", END.timestamp() + 10, status=status, generation=2)
    assert outcome.is_complete
    assert workshop.versions() == {"plain": 2}
    after = report.status(outcome, status, END.timestamp() + 10, None)
    ready = after["conditions"][0]
    assert (ready["status"], after["expired"]) == ("True", [f"{workshop.path}/token"])
    assert f"Expired, so not there: {workshop.path}/token" in ready["message"]


def test_what_was_deleted_before_its_time_is_made_again(workshop: Workshop) -> None:
    status = workshop.status(run(workshop, "1", END.timestamp() - 10))
    workshop.aws().delete_parameter(Name=f"{workshop.path}/token")
    assert run(workshop, "1", END.timestamp() - 5, status=status).is_complete
    assert set(workshop.versions()) == {"plain", "token"}


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([{"type": "Expiration", "attributes": {}}], "attributes must be Timestamp"),
        ([{"type": "Expiration", "attributes": {"Timestamp": "tomorrow"}}], "ISO 8601"),
        ([{"type": "Expiration", "attributes": {"Timestamp": "2040-01-01T00:00:00"}}], "with a zone"),
        ([EXPIRATION, {"type": "ExpirationNotification", "attributes": {"Before": "0", "Unit": "Days"}}], "from 1 on"),
        ([{"type": "NoChangeNotification", "attributes": {"After": "3", "Unit": "Weeks"}}], "Days or Hours"),
        ([{"type": "NoChangeNotification", "attributes": {"Before": "3", "Unit": "Days"}}], "After and Unit"),
        ([{"type": "ExpirationNotification", "attributes": {"Before": "3", "Unit": "Days"}}], "at most one Expiration"),
        ([EXPIRATION, EXPIRATION], "at most one Expiration"),
    ],
)
def test_policies_are_checked_before_the_first_write(
    workshop: Workshop, policies: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(InvalidSpec, match=message):
        workshop.declare(spec("1", *policies))


def test_policies_as_aws_documents_them_pass(workshop: Workshop) -> None:
    more = [
        {"type": "ExpirationNotification", "attributes": {"Before": "15", "Unit": "Days"}},
        {"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Hours"}},
    ]
    assert workshop.apply(workshop.declare(spec("1", EXPIRATION, *more))).is_complete

"""A suspended object that gets a parameter from another one reports a pending edit, not drift."""

from typing import Any

from tests.engine.fake_kind import OWNER, FakeKind, Thing, declared

from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

VALUES = {"own": "1", "moved": "declared"}
THEIRS = "observed-of-another"


def reconcile(fake: FakeKind, status: dict[str, Any] | None, **about: Any) -> tuple[Any, dict[str, Any]]:
    outcome = fake.engine().run(declared(VALUES, status=status, **about))
    return outcome, report.status(outcome, PreviousStatus.of(status), 1.8e9, None)


def test_handed_over_parameter_is_no_drift_while_suspended() -> None:
    fake = FakeKind()
    own = Thing(name="/app/own", owner=OWNER.tag, value="1", version=1)
    theirs = Thing(name="/app/moved", owner="cluster/other/app/uid-9", value=THEIRS, version=1)
    fake.store = {thing.name: thing for thing in (own, theirs)}
    _, status = reconcile(fake, {"observedGeneration": 1, "appliedGeneration": 1}, generation=2, suspend=True)
    assert status["appliedGeneration"] == 1
    assert status["refused"][0]["resource"] == theirs.title
    fake.store[theirs.name] = Thing(name=theirs.name, owner=OWNER.tag, value=THEIRS, version=1)
    # A status of an operator that counted the generation as applied.
    for applied in (1, 2):
        outcome, after = reconcile(fake, {**status, "appliedGeneration": applied}, generation=2, suspend=True)
        assert outcome.drift == ()
        assert "drift" not in after
        assert after["conditions"][0]["message"] == "1 change pending: spec.suspend is true"
        assert THEIRS not in str(after)

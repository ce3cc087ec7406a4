"""Which outcomes a resync need only confirm."""

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, declared, deletion

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.settled import Settled
from dynconfig.model.declaration import Rollout
from dynconfig.model.errors import Refused
from dynconfig.model.fingerprint import fingerprints
from dynconfig.model.previous_status import PreviousStatus

VALUES = {"a": "1", "b": "2"}
APPLIED = PreviousStatus(observed_generation=1, generation=1, versions={"/app/a": 1, "/app/b": 1})


def outcome_of(kind: FakeKind, **about: Any) -> Outcome:
    return kind.engine().run(replace(declared(VALUES), applied=APPLIED, status_lost=False, **about))


def written() -> FakeKind:
    kind = FakeKind()
    outcome_of(kind)
    return kind


def test_parameters_in_sync_are_settled() -> None:
    found = Settled.of(outcome_of(written()))
    assert found is not None
    assert found.names == fingerprints(["/app/b", "/app/a"])
    assert found.resync_seconds == 600


def test_what_was_just_written_is_observed_again() -> None:
    assert Settled.of(outcome_of(FakeKind())) is None


@pytest.mark.parametrize(
    "about",
    [
        {"suspended": True},
        {"changed": {"/app/a": ""}},
        {"is_last_change": True},
        {"rollout": Rollout(60, True, False)},
        {"applied": None},
        {"applied": replace(APPLIED, stable_generation=1)},
        {"dashboard": True},
    ],
    ids=lambda about: next(iter(about)),
)
def test_object_that_waits_or_has_more_than_parameters_is_reconciled(about: dict[str, Any]) -> None:
    kind = written()
    declaration = replace(declared(VALUES), status_lost=False, **{"applied": APPLIED, **about})
    settled = Settled.of(replace(outcome_of(kind), declaration=declaration))
    assert settled is None


def test_parameter_of_a_source_or_with_policies_is_reconciled() -> None:
    outcome = outcome_of(written())
    first, second = outcome.declaration.parameters
    for change in ({"value": None}, {"policies": [object()]}):
        changed = replace(first, spec=first.spec.model_copy(update=change))
        declaration = replace(outcome.declaration, parameters=(changed, second))
        assert Settled.of(replace(outcome, declaration=declaration)) is None


def test_outcome_with_an_error_drift_or_something_left_is_not_settled() -> None:
    kind = written()
    in_sync = outcome_of(kind)
    assert Settled.of(replace(in_sync, stopped=Refused("no"))) is None
    assert Settled.of(replace(in_sync, requeue_after=10.0)) is None
    assert Settled.of(replace(in_sync, label_messages=("a label was removed",))) is None
    kind.by_hand("/app/a")
    assert Settled.of(outcome_of(kind)) is None
    kind.by_hand("/app/c")
    assert Settled.of(outcome_of(kind)) is not None


def test_deletion_is_not_settled() -> None:
    assert Settled.of(FakeKind().engine().run(deletion(VALUES))) is None

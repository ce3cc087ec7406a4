"""Stored objects of any shape, written by an older CRD, another operator or by hand."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.engine.fake_kind import OWNER, document

from dynconfig.api import names
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import (
    Bake,
    Condition,
    Drift,
    DynamicConfigStatus,
    ParameterStatus,
    ResourceStatus,
    RevisionStatus,
    Rollback,
)
from dynconfig.engine.outcome import Outcome
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.kube.resync import Listed
from dynconfig.model.errors import DynConfigError, InvalidSpec
from dynconfig.model.key import Key
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import status_of
from dynconfig.status import kube_events, report
from dynconfig.validation.declare import declare, declare_deletion, is_requested, parse_spec, was_observed
from dynconfig.validation.tenancy import Tenant

NOW = 1_800_000_000.0
MODELS: tuple[Any, ...] = (Condition, ParameterStatus, Drift, ResourceStatus, Bake, Rollback, RevisionStatus)


def _names(model: Any) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


MEMBERS = sorted({name for model in MODELS for name in _names(model)} | {"valueFrom", "secretKeyRef", "key"})
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "/app", "a", "Ready", "True", "10m", "1e99h", "Delete", "Orphan", "eu-west-1", "2027-01-15T08:00:00Z"]),
    st.sampled_from(["2027-01-15T08:00:00.123456789+02:00", "0001-01-01T00:00:00", "yesterday", "/aws/x", "a b", "x" * 2000]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=8),
    max_leaves=12,
)


SPECS = VALUES | st.dictionaries(st.sampled_from(_names(DynamicConfigSpec)), VALUES)
STATUSES = VALUES | st.dictionaries(st.sampled_from(_names(DynamicConfigStatus)), VALUES)
any_shape = given(spec=SPECS, status=STATUSES)
patiently = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def stored(spec: Any, status: Any) -> dict[str, Any]:
    """An object with metadata as every API server stores it."""
    asked = {names.RECONCILE_REQUESTED_AT: "now"}
    metadata = {"namespace": "shop", "name": "myapp", "uid": "uid-1", "generation": 2, "annotations": asked}
    return {"metadata": {**metadata, "finalizers": [names.FINALIZER]}, "spec": spec, "status": status}


@patiently
@any_shape
@example(spec={"deletionPolicy": "Orphan"}, status={"parameters": {"name": "a"}})
@example(spec={"function": "reader", "parameters": [7, {"name": 7}]}, status=[])
@example(spec={"path": ["/app"], "parameters": {"a": "1"}}, status={"drift": ["a"], "observedGeneration": "2"})
def test_deletion_works_for_any_object(spec: Any, status: Any) -> None:
    found = stored(spec, status)
    declaration = declare_deletion(found, owner=OWNER, default_region="eu-west-1")
    assert declaration.deleting
    assert kube_events.abandoned(declaration).message
    outcome = Outcome(declaration, was_observed=True)
    previous = PreviousStatus.of_object(found)
    assert report.status(outcome, previous, NOW, "now")["conditions"]
    kube_events.events_of(outcome, previous, NOW)


@patiently
@any_shape
@example(spec={"path": "/app"}, status={"drift": [{"resource": "Parameter /app/a", "field": "value"}]})
@example(spec={"path": "/app"}, status={"history": [{"revision": "x"}], "bake": {"until": "soon"}})
def test_any_object_is_accepted_or_rejected(spec: Any, status: Any) -> None:
    found = stored(spec, status)
    previous = PreviousStatus.of_object(found)
    try:
        parse_spec(found)
        declaration = declare(
            found, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=lambda _source: None
        )
    except DynConfigError as error:
        reported = report.failure(error, 2, previous, NOW, "now")
    else:
        reported = report.status(Outcome(declaration, was_observed=True), previous, NOW, "now")
    DynamicConfigStatus.model_validate(reported)


@patiently
@any_shape
@example(spec={"resyncInterval": 5}, status={"lastObservedTime": 7})
@example(spec={"parameters": [1]}, status={"parameters": [{"name": None}], "resources": [{"name": "a", "arn": 1}]})
def test_any_object_is_indexed(spec: Any, status: Any) -> None:
    found = stored(spec, status)
    assert Listed.of(found).delay(NOW, 0.5) >= 0
    ResourceIndex("eu-west-1").update(Key("shop", "myapp"), found)
    PreviousStatus.of_object(found)
    was_observed(found)
    assert is_requested(found) in (True, False)


@pytest.mark.parametrize(
    ("policy", "meant"),
    [(None, "Delete"), ("Delete", "Delete"), ("Orphan", "Retain"), (7, "Retain")],
)
def test_invalid_deletion_policy_retains(policy: Any, meant: str) -> None:
    found = document({"a": "1"}, deletionPolicy=policy)
    assert declare_deletion(found, owner=OWNER, default_region="eu-west-1").deletion_policy == meant


def test_invalid_parameter_names_are_not_requested() -> None:
    status = {"observedGeneration": 1, "parameters": [{"name": "/app/c d"}, {"name": "/app/b"}]}
    found = document({"a": "1", "a b": "1", "x" * 1100: "1"}, status=status)
    assert declare_deletion(found, owner=OWNER, default_region="eu-west-1").known == ("/app/a", "/app/b")


def test_valid_part_of_a_status_is_kept() -> None:
    good, bad = {"name": "/app/a", "version": 3}, {"name": "/app/b", "version": "3"}
    found = {"status": {"observedGeneration": 2, "parameters": [good, bad], "history": "none", "later": {"a": 1}}}
    assert status_of(found) == {"observedGeneration": 2, "parameters": [good], "later": {"a": 1}}


def test_spec_that_is_not_a_map_is_rejected() -> None:
    with pytest.raises(InvalidSpec):
        parse_spec({"metadata": {}, "spec": ["path"]})

"""Edits, request annotations and removed finalizers need a reconcile; the operator's own writes do not."""

from typing import Any

import pytest
from tests.kube.apiserver import Document
from tests.kube.controller_harness import GOING, KEY, configured

from dynconfig.api import names
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.model.object_state import ObjectState


def found(**about: Any) -> Document:
    return configured({"a": "1"}, **about)


@pytest.fixture
def tracker() -> ObjectTracker:
    known = ObjectTracker(lambda: 0.0, ObjectState(), ObjectState())
    known.record_reconciled(KEY, found())
    return known


@pytest.mark.parametrize(
    "annotation",
    [names.ABANDON, names.APPROVE_GENERATION, names.FORCE_GENERATION, names.RECONCILE_REQUESTED_AT],
)
def test_each_request_annotation_needs_a_reconcile(tracker: ObjectTracker, annotation: str) -> None:
    assert tracker.needs_reconcile(KEY, found(annotations={annotation: "1"}))


@pytest.mark.parametrize(
    "changed",
    [found(generation=2), found(uid="uid-2"), found(metadata={"deletionTimestamp": GOING}), found(finalizers=[])],
    ids=["edited", "another of the name", "going", "without its finalizer"],
)
def test_changes_need_a_reconcile(tracker: ObjectTracker, changed: Document) -> None:
    assert tracker.needs_reconcile(KEY, changed)


@pytest.mark.parametrize(
    "changed",
    [found(), found(status={"observedGeneration": 1}), found(annotations={"team": "shop"})],
    ids=["the same", "a report", "another annotation"],
)
def test_other_writes_need_no_reconcile(tracker: ObjectTracker, changed: Document) -> None:
    assert not tracker.needs_reconcile(KEY, changed)


def test_own_finalizer_needs_no_reconcile(tracker: ObjectTracker) -> None:
    tracker.record_reconciled(KEY, found(finalizers=[]))
    assert not tracker.needs_reconcile(KEY, found())


def test_late_version_before_the_finalizer_needs_no_reconcile(tracker: ObjectTracker) -> None:
    before, accepted = found(finalizers=[]), found()
    before["metadata"]["resourceVersion"], accepted["metadata"]["resourceVersion"] = "7", "8"
    tracker.record_accepted(KEY, before, accepted)
    assert not tracker.needs_reconcile(KEY, before)
    removed = found(finalizers=[])
    removed["metadata"]["resourceVersion"] = "9"
    assert tracker.needs_reconcile(KEY, removed)

"""What is news of an object: an edit, a word of a person, a finalizer that went; and nothing that the operator wrote."""

from typing import Any

import pytest
from tests.kube.apiserver import Document
from tests.kube.controller_harness import GOING, KEY, configured

from dynconfig.api import names
from dynconfig.kube.object_tracker import ObjectTracker


def found(**about: Any) -> Document:
    return configured({"a": "1"}, **about)


@pytest.fixture
def heard() -> ObjectTracker:
    known = ObjectTracker(lambda: 0.0)
    known.record_reconciled(KEY, found())
    return known


@pytest.mark.parametrize(
    "annotation",
    [names.ABANDON, names.APPROVE_GENERATION, names.FORCE_GENERATION, names.RECONCILE_REQUESTED_AT],
)
def test_each_word_of_a_person_wakes_its_object(heard: ObjectTracker, annotation: str) -> None:
    assert heard.needs_reconcile(KEY, found(annotations={annotation: "1"}))


@pytest.mark.parametrize(
    "changed",
    [found(generation=2), found(uid="uid-2"), found(metadata={"deletionTimestamp": GOING}), found(finalizers=[])],
    ids=["edited", "another of the name", "going", "without its finalizer"],
)
def test_what_changed_is_news(heard: ObjectTracker, changed: Document) -> None:
    assert heard.needs_reconcile(KEY, changed)


@pytest.mark.parametrize(
    "changed",
    [found(), found(status={"observedGeneration": 1}), found(annotations={"team": "shop"})],
    ids=["the same", "a report", "another annotation"],
)
def test_all_else_is_no_news(heard: ObjectTracker, changed: Document) -> None:
    assert not heard.needs_reconcile(KEY, changed)


def test_the_finalizer_that_the_operator_sets_is_no_news(heard: ObjectTracker) -> None:
    heard.record_reconciled(KEY, found(finalizers=[]))
    assert not heard.needs_reconcile(KEY, found())

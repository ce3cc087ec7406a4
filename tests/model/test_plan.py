"""Differences, drift detection, and the text of a plan."""

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, FakeKind, Thing, declared

from dynconfig.cli import describe
from dynconfig.engine.assessment import Assessment
from dynconfig.model.plan import Create, Difference, Plan, Step, Update, differences
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Owner
from dynconfig.model.secret import MASK, Secret
from dynconfig.model.secret_mark import MARKED, SecretMark
from dynconfig.model.window import shown
from dynconfig.status import report

ONE = Thing(name="/app/a", owner=OWNER.tag, value="1", version=3)


def plan_of(fake: FakeKind, values: dict[str, str], **about: Any) -> Plan:
    return assessed(fake, values, **about).plan


def assessed(fake: FakeKind, values: dict[str, str], **about: Any) -> Assessment:
    return fake.engine().assess(declared(values, **about), 0.0)


def test_only_what_is_declared_is_compared() -> None:
    assert differences(ONE, replace(ONE, version=4, owner="other", last_modified=1.0)) == ()
    assert differences(ONE, replace(ONE, value="2")) == (Difference("value", "1", "2"),)


def test_secret_differs_without_being_shown() -> None:
    found = differences(replace(ONE, value=Secret("a")), replace(ONE, value=Secret("b")))
    assert found == (Difference("value", MASK, MASK),)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("x", "x"), (7, "7"), ((("a", "1"), ("b", "2")), "a=1, b=2"), ("y" * 200, "y" * 119 + "…")],
)
def test_shown_values_are_truncated(value: object, text: str) -> None:
    assert shown(value) == text


def test_lines_and_summary_of_a_plan() -> None:
    fake = FakeKind()
    fake.engine().run(declared({"a": "1", "b": "2", "c": "3"}))
    found = assessed(fake, {"a": "9", "b": "2", "d": "4"}, generation=2)
    described = list(describe.lines(found.plan))
    assert [(sign, text) for sign, text in described if sign != " "] == [
        ("~", "update Thing /app/a"),
        ("+", "create Thing /app/d"),
        ("-", "delete Thing /app/c"),
    ]
    assert any("value" in text and "9" in text for sign, text in described if sign == " ")
    assert describe.summary(found) == "Plan: 1 to create, 1 to update, 1 to delete; 3 resources declared."
    nothing = assessed(FakeKind(), {})
    assert describe.summary(nothing) == "No changes: nothing is declared."


def test_plan_shows_no_secret() -> None:
    fake = FakeKind()
    fake.store["/app/a"] = replace(ONE, value=Secret("canary-1"))
    found = assessed(fake, {"a": "1"})
    text = f"{list(describe.lines(found.plan))}{describe.summary(found)}{found!r}"
    assert "canary-1" not in text


def test_edit_or_changed_secret_is_not_drift() -> None:
    fake = FakeKind()
    status = report.status(fake.engine().run(declared({"a": "1"})), PreviousStatus(), 1.8e9, None)
    edited = fake.engine().run(declared({"a": "2"}, generation=2, status=status))
    assert edited.drift == ()
    status = report.status(edited, PreviousStatus.of(status), 1.8e9, None)
    # Same generation, same version in AWS, another value: it came from a Secret or ConfigMap.
    rotated = fake.engine().run(declared({"a": "3"}, generation=2, status=status))
    assert rotated.drift == ()
    assert rotated.is_complete


def test_missing_reported_resource_is_drift() -> None:
    fake = FakeKind()
    status = report.status(fake.engine().run(declared({"a": "1"})), PreviousStatus(), 1.8e9, None)
    fake.store.clear()
    assert len(fake.engine().run(declared({"a": "1"}, status=status)).drift) == 1


@pytest.mark.parametrize("tag", ["", "a/b/c", "a/b/c/d/e", "terraform"])
def test_foreign_tag_is_not_an_owner(tag: str) -> None:
    assert Owner.parse(tag) is None


def test_owner_round_trips_through_its_tag() -> None:
    assert Owner.parse(OWNER.tag) == OWNER
    assert len(Owner("u" * 36, "n" * 63, "m" * 63, "u" * 36).tag) <= 256


def test_one_resource_is_singular() -> None:
    fake = FakeKind()
    fake.engine().run(declared({"a": "1"}))
    assert describe.summary(assessed(fake, {"a": "1"})) == "No changes: 1 resource is in sync with AWS."
    assert describe.summary(assessed(fake, {"a": "2"}, generation=2)) == "Plan: 1 to update; 1 resource declared."


@pytest.mark.parametrize(
    ("declared_from", "line"),
    [(False, "valueFrom: secretKeyRef → (empty)"), (True, "valueFrom: (empty) → secretKeyRef")],
)
def test_value_moved_out_of_a_secret_is_shown_with_its_field_of_spec(declared_from: bool, line: str) -> None:
    wanted, seen = (
        replace(ONE, from_secret=SecretMark(is_set=is_set)) for is_set in (declared_from, not declared_from)
    )
    step = Step(FakeKind(), Update(seen, wanted, differences(wanted, seen)))
    assert [text for _, text in describe.lines(Plan(parts=(), steps=(step,)))][1:] == [line]


def test_changed_secret_value_is_shown_with_its_field_of_spec() -> None:
    step = Step(FakeKind(), Create(replace(ONE, from_secret=MARKED)))
    found = dict(text.split(": ", 1) for _, text in list(describe.lines(Plan(parts=(), steps=(step,))))[1:])
    assert found["valueFrom"] == "secretKeyRef"
    assert "from_secret" not in found

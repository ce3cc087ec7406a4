"""With `driftPolicy: Report`, what others changed stays theirs, whatever keeps one reconcile from reporting it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, FakeKind, Thing, declared

from dynconfig.api import names
from dynconfig.api.status import MAX_DRIFT
from dynconfig.engine.outcome import Outcome
from dynconfig.model import size
from dynconfig.model.drift_digest import of_field
from dynconfig.model.errors import AccessDenied, Conflict, DynConfigError, Refused, Throttled
from dynconfig.model.plan import differences
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Scope, Unread
from dynconfig.model.secret import Secret
from dynconfig.status import report

NOW = 1.8e9
THEIRS = "theirs"


@dataclass
class PartlyReadKind(FakeKind):
    """A kind of which some resources, or all, cannot be read."""

    unread: dict[str, DynConfigError] = field(default_factory=dict)
    all_unread: DynConfigError | None = None

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Any]:
        """The readable resources, and the errors of the others."""
        if self.all_unread:
            raise self.all_unread
        for item in super().observe(scope, desired):
            yield Unread(item.name, self.unread[item.name]) if item.name in self.unread else item


@dataclass
class Story:
    """An object with `driftPolicy: Report` through several reconciles; a restart follows each of them."""

    values: dict[str, str]
    generation: int = 1
    fake: PartlyReadKind = field(default_factory=PartlyReadKind)
    status: dict[str, Any] | None = None
    fit: Callable[[dict[str, Any]], dict[str, Any]] = lambda status: status

    def reconcile(self, **about: Any) -> Outcome:
        """Reconcile and report."""
        declaration = declared(
            self.values, driftPolicy="Report", status=self.status, generation=self.generation, **about
        )
        outcome = self.fake.engine().run(declaration, now=NOW)
        self.status = self.fit(report.status(outcome, PreviousStatus.of(self.status), NOW, None))
        return outcome

    def edit(self, values: dict[str, str], **about: Any) -> Outcome:
        """Edit and reconcile."""
        self.values, self.generation = values, self.generation + 1
        return self.reconcile(**about)

    @property
    def drifted(self) -> list[str]:
        """The titles in status.drift."""
        return [item["resource"] for item in (self.status or {}).get("drift", [])]

    @property
    def reason(self) -> str:
        """The reason of Ready."""
        return str((self.status or {})["conditions"][0]["reason"])


def meddled(values: dict[str, str], *changed: str) -> Story:
    """An object in sync of which others then changed these parameters, as its status reports."""
    story = Story(values)
    story.reconcile()
    for name in changed:
        story.fake.by_hand(f"/app/{name}", THEIRS)
    story.reconcile()
    return story


# --- blocked edits

FIVE = dict.fromkeys("abcde", "declared")


@pytest.mark.parametrize("then", ["approved", "reverted"])
def test_blocked_edit_keeps_reported_drift(then: str) -> None:
    story = meddled(FIVE, "a")
    story.edit(dict.fromkeys("ab", "declared"))
    assert (story.reason, story.drifted) == ("UnsafePlan", ["Thing /app/a"])
    assert "Drifted" in [item["type"] for item in (story.status or {})["conditions"]]
    if then == "approved":
        story.reconcile(annotations={names.APPROVE_GENERATION: "2"})
        assert set(story.fake.values) == {"/app/a", "/app/b"}
    else:
        story.edit(FIVE)
        assert len(story.fake.values) == 5
    assert (story.fake.values["/app/a"], story.reason) == (THEIRS, "DriftReported")


# --- resources that are not compared once

Trouble = Callable[[Story], None]


def unread(error: DynConfigError) -> Trouble:
    return lambda story: story.fake.unread.update({"/app/a": error})


def all_unread(story: Story) -> None:
    story.fake.all_unread = AccessDenied("no")


def not_owned(story: Story) -> None:
    story.fake.store["/app/a"] = replace(story.fake.store["/app/a"], owner=RIVAL.tag)


def impossible(story: Story) -> None:
    story.fake.impossible = frozenset({"/app/a"})


def over(story: Story) -> None:
    """End the trouble."""
    fake = story.fake
    fake.unread.clear()
    fake.all_unread, fake.impossible = None, frozenset()
    fake.store["/app/a"] = replace(fake.store["/app/a"], owner=OWNER.tag)


TROUBLES = [unread(Conflict("stale", delay=1.0)), unread(AccessDenied("no")), all_unread, not_owned, impossible]
IDS = ["stale", "denied", "kind denied", "not owned", "impossible"]
OLD, NEW = {"a": "declared", "z": "old"}, {"a": "declared", "z": "new"}


@pytest.mark.parametrize("trouble", TROUBLES, ids=IDS)
@pytest.mark.parametrize("turns", [1, 3])
def test_drift_that_cannot_be_compared_before_an_edit_is_kept(trouble: Trouble, turns: int) -> None:
    story = meddled(OLD, "a")
    trouble(story)
    for _ in range(turns):
        story.reconcile()
    assert story.drifted == ["Thing /app/a"]
    over(story)
    story.edit(NEW)
    assert (story.fake.values, story.reason) == ({"/app/a": THEIRS, "/app/z": "new"}, "DriftReported")


@pytest.mark.parametrize("trouble", TROUBLES, ids=IDS)
def test_drift_that_cannot_be_compared_with_an_edit_is_kept(trouble: Trouble) -> None:
    story = meddled(OLD, "a")
    trouble(story)
    story.edit(NEW)
    assert story.drifted == ["Thing /app/a"]
    over(story)
    story.reconcile()
    assert (story.fake.values, story.reason) == ({"/app/a": THEIRS, "/app/z": "new"}, "DriftReported")


@pytest.mark.parametrize("trouble", TROUBLES, ids=IDS)
def test_value_that_others_changed_meanwhile_is_reported(trouble: Trouble) -> None:
    story = meddled(OLD)
    trouble(story)
    story.reconcile()
    over(story)
    story.fake.by_hand("/app/a", THEIRS)
    story.reconcile()
    assert (story.fake.values["/app/a"], story.reason) == (THEIRS, "DriftReported")


@pytest.mark.parametrize("trouble", TROUBLES, ids=IDS)
def test_drift_that_ended_meanwhile_is_no_longer_reported(trouble: Trouble) -> None:
    story = meddled(OLD, "a")
    trouble(story)
    story.reconcile()
    over(story)
    story.fake.by_hand("/app/a", "declared")
    story.reconcile()
    assert (story.drifted, story.reason) == ([], "InSync")


@pytest.mark.parametrize("error", [Refused("no"), Throttled("slow")])
def test_edit_of_a_drifted_parameter_that_is_taken_back_before_it_was_written(error: DynConfigError) -> None:
    story = meddled(OLD, "a")
    story.fake.failures["/app/a"] = error
    story.edit({**OLD, "a": "edited"})
    story.fake.failures.clear()
    story.edit(OLD)
    assert (story.fake.values["/app/a"], story.reason) == (THEIRS, "DriftReported")


@pytest.mark.parametrize("error", [Refused("no"), Throttled("slow")])
def test_edit_of_a_drifted_parameter_is_retried(error: DynConfigError) -> None:
    story = meddled(OLD, "a")
    story.fake.failures["/app/a"] = error
    story.edit({**OLD, "a": "edited"})
    story.fake.failures.clear()
    story.reconcile()
    assert (story.fake.values["/app/a"], story.drifted, story.reason) == ("edited", [], "InSync")


# --- more drift than status lists

MANY = {f"p{number:03}": "declared" for number in range(MAX_DRIFT + 50)}
LAST = "/app/p149"


def crowded() -> Story:
    story = meddled({**MANY, "z": "old"}, *MANY)
    assert len(story.drifted) == MAX_DRIFT
    return story


def count_theirs(story: Story) -> int:
    return sum(value == THEIRS for value in story.fake.values.values())


@pytest.mark.parametrize("cut", ["list", "size"])
def test_edit_leaves_drift_beyond_the_list(cut: str) -> None:
    story = crowded()
    if cut == "size":
        # Status lists five entries then.
        text = "m" * (size.OBJECT_BYTES - 20_000)
        story.fit = lambda status: dict(size.fitting({"spec": text}, status))
        story.reconcile()
        assert len(story.drifted) == 5
    written = len(story.fake.writes)
    story.edit({**MANY, "z": "new"})
    assert count_theirs(story) == len(MANY)
    assert story.fake.writes[written:] == ["put /app/z"]
    assert story.reason == "DriftReported"
    story.edit({**MANY, "z": "newer"})
    assert (count_theirs(story), story.fake.values["/app/z"]) == (len(MANY), "newer")


def test_edit_of_a_parameter_beyond_the_list_is_applied() -> None:
    story = crowded()
    story.edit({**MANY, "p149": "edited", "z": "old"})
    assert (story.fake.values[LAST], count_theirs(story)) == ("edited", len(MANY) - 1)
    story.edit({**MANY, "p149": "again", "z": "old"})
    assert (story.fake.values[LAST], count_theirs(story)) == ("again", len(MANY) - 1)


@pytest.mark.parametrize("trouble", [Conflict("stale", delay=1.0), AccessDenied("no")])
def test_drift_beyond_the_list_that_cannot_be_read_once_is_kept(trouble: DynConfigError) -> None:
    story = crowded()
    story.fake.unread[LAST] = trouble
    story.reconcile()
    story.fake.unread.clear()
    story.edit({**MANY, "z": "new"})
    assert count_theirs(story) == len(MANY)


def test_digests_disappear_with_the_drift() -> None:
    story = crowded()
    assert len((story.status or {})["furtherDrift"]) == 50
    for name in MANY:
        story.fake.by_hand(f"/app/{name}", "declared")
    story.reconcile()
    assert not {"drift", "furtherDrift"} & (story.status or {}).keys()
    # The same values are an edit now.
    story.edit(dict.fromkeys(MANY, THEIRS) | {"z": "old"})
    story.edit({**MANY, "z": "old"})
    assert count_theirs(story) == 0


def test_drift_without_room_in_status_is_not_overwritten() -> None:
    story = crowded()
    text = "m" * (size.OBJECT_BYTES - 2_000)
    story.fit = lambda status: dict(size.fitting({"spec": text}, status))
    story.reconcile()
    assert "drift" not in (story.status or {})
    story.edit({**MANY, "z": "new"})
    assert count_theirs(story) == len(MANY)


def test_digests_contain_no_text_of_a_secret() -> None:
    def digest(text: str) -> str:
        (found,) = differences(Thing(name="a", value=Secret(text)), Thing(name="a", value=Secret(THEIRS)))
        return of_field("Thing a", found.field, found.brief)

    assert digest("one") == digest("two")

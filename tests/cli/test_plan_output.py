"""Output derived from a plan: write estimate, out-of-sync fields, deletion, rendered resources."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, FakeKind, Thing, declared, deletion, document

from dynconfig.cli.deletion_plan import deletion_plan
from dynconfig.cli.out_of_sync import OutOfSyncField, out_of_sync_fields
from dynconfig.cli.rendered import rendered
from dynconfig.cli.write_estimate import WriteEstimate, estimate_writes
from dynconfig.model.plan import Plan
from dynconfig.model.resource import Resource
from dynconfig.model.secret import MASK, Secret


def applied(values: dict[str, str]) -> FakeKind:
    fake = FakeKind()
    fake.engine().run(declared(values))
    return fake


@pytest.mark.parametrize(
    ("puts", "rate", "text"),
    [
        (1, 3.0, "Estimated time: < 1 s (1 PutParameter at 3/s)"),
        (4, 3.0, "Estimated time: 1 s (4 PutParameter at 3/s)"),
        (361, 3.0, "Estimated time: 2 min (361 PutParameter at 3/s)"),
        (362, 2.5, "Estimated time: 2 min 24 s (362 PutParameter at 2.5/s)"),
    ],
)
def test_write_estimate_message(puts: int, rate: float, text: str) -> None:
    assert WriteEstimate(puts, rate).message == text


def test_estimate_counts_creates_and_value_changes() -> None:
    fake = applied({"a": "1", "b": "2", "c": "3"})
    plan = fake.engine().assess(declared({"a": "9", "b": "2", "d": "4"}, generation=2), 0.0).plan
    assert estimate_writes(plan, 3.0).puts == 2


def test_estimate_ignores_owner_changes() -> None:
    fake = FakeKind()
    fake.by_hand("/app/a", "1", owner="")
    plan = fake.engine().assess(declared({"a": "1"}, adoptionPolicy="IfUnowned"), 0.0).plan
    assert len(plan.steps) == 1
    assert estimate_writes(plan, 3.0).puts == 0


def test_edit_is_only_drift_for_an_unknown_object() -> None:
    fake = applied({"a": "1"})
    status = {"observedGeneration": 1, "appliedGeneration": 1, "parameters": [{"name": "/app/a", "version": 1}]}
    declaration = declared({"a": "2"}, generation=2, status=status)
    plan = fake.engine().assess(declaration, 0.0).plan
    assert list(out_of_sync_fields(plan, declaration, is_known=True)) == [
        OutOfSyncField("Thing /app/a", "value", "2", "1", is_drift=False)
    ]
    assert [found.is_drift for found in out_of_sync_fields(plan, declaration, is_known=False)] == [True]


def test_drift_has_its_author() -> None:
    fake = applied({"a": "1"})
    fake.by_hand("/app/a", "2")
    fake.store["/app/a"] = replace(fake.store["/app/a"], modified_by="arn:alice")
    declaration = declared({"a": "1"})
    (found,) = out_of_sync_fields(fake.engine().assess(declaration, 0.0).plan, declaration, is_known=True)
    assert (found.is_drift, found.by) == (True, "arn:alice")


def seen(fake: FakeKind) -> tuple[Thing, ...]:
    return tuple(fake.store.values())


def test_deletion_removes_only_owned_resources() -> None:
    fake = applied({"a": "1"})
    fake.by_hand("/app/b", owner=RIVAL.tag)
    fake.by_hand("/app/c", owner="")
    fake.by_hand("/app/d", owner=replace(OWNER, cluster="blue").tag)
    declaration = deletion({"a": "1", "b": "2", "c": "3", "d": "4"})
    found = deletion_plan(declaration, fake.engine().assess(declaration, 0.0).plan, seen(fake), None)
    assert found.deleted == ("Thing /app/a",)
    assert found.retained == (
        ("Thing /app/b", "owned by shop/rival"),
        ("Thing /app/c", "has no owner"),
        ("Thing /app/d", "owned by shop/myapp in cluster blue"),
    )
    assert found.blockers == ()


def test_deletion_with_retain_removes_nothing() -> None:
    fake = applied({"a": "1"})
    declaration = deletion({"a": "1"}, deletionPolicy="Retain")
    found = deletion_plan(declaration, fake.engine().assess(declaration, 0.0).plan, seen(fake), None)
    assert found.deleted == ()
    assert [title for title, _ in found.retained] == ["Thing /app/a"]


def test_abandoned_object_retains_everything() -> None:
    fake = applied({"a": "1"})
    declaration = deletion({"a": "1"})
    live = document({"a": "1"}, annotations={"dynconfig.dev/abandon": "true"})
    found = deletion_plan(declaration, fake.engine().assess(declaration, 0.0).plan, seen(fake), live)
    assert found.deleted == ()
    assert "dynconfig.dev/abandon" in found.retained[0][1]


def test_suspension_and_unfinished_work_block_a_deletion() -> None:
    fake = applied({"a": "1"})
    fake.store["/app/a"] = replace(fake.store["/app/a"], pending="is being made")
    declaration = deletion({"a": "1"}, suspend=True)
    found = deletion_plan(declaration, fake.engine().assess(declaration, 0.0).plan, seen(fake), None)
    assert [text.partition(":")[0] for text in found.blockers] == [
        "spec.suspend is true",
        "Thing /app/a is being made; AWS accepts no other write until then",
    ]


def test_deletion_of_nothing_is_not_blocked() -> None:
    assert deletion_plan(deletion({}, suspend=True), Plan(), (), None).blockers == ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Resource):
    """A resource with a document, pairs and a list."""

    kind: ClassVar[str] = "Policy"
    document: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    layers: tuple[str, ...] = ()


def test_documents_pairs_and_lists_are_rendered_structured() -> None:
    policy = Policy(name="p", owner=OWNER.tag, document='{"a": [1]}', tags=(("k", "{v"),), layers=("one",))
    assert rendered(policy) == {
        "kind": "Policy",
        "name": "p",
        "document": {"a": [1]},
        "tags": {"k": "{v"},
        "layers": ["one"],
    }
    assert rendered(Policy(name="p", document="{no json")) == {"kind": "Policy", "name": "p", "document": "{no json"}


def test_secret_is_rendered_masked() -> None:
    assert rendered(Thing(name="a", value=Secret("canary")))["value"] == MASK

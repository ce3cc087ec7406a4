"""Edits that delete most parameters need approval."""

import pytest
from tests.engine.fake_kind import FakeKind, declared
from tests.engine.parts import RED, DerivedKinds

from dynconfig.model.errors import UnsafePlan


def many(count: int) -> dict[str, str]:
    return {f"p{number:02}": "x" for number in range(count)}


@pytest.mark.parametrize(
    ("total", "kept", "is_stopped"),
    [
        (20, 10, False),
        (22, 10, True),
        (11, 1, True),
        (5, 1, True),
        (4, 1, True),
        (3, 0, True),
        (6, 3, False),
        (2, 0, False),
    ],
)
def test_most_parameters_are_deleted_only_with_approval(total: int, kept: int, is_stopped: bool) -> None:
    fake = FakeKind()
    fake.engine().run(declared(many(total)))
    outcome = fake.engine().run(declared(many(kept), generation=2))
    assert isinstance(outcome.error, UnsafePlan) is is_stopped
    assert len(fake.store) == (total if is_stopped else kept)
    approval = {"dynconfig.dev/approve-generation": "2"}
    assert fake.engine().run(declared(many(kept), generation=2, annotations=approval)).is_complete


def test_denied_mass_deletion_names_parameters_and_the_command() -> None:
    fake = FakeKind()
    fake.engine().run(declared(many(8)))
    message = str(fake.engine().run(declared(many(1), generation=2)).error)
    assert "7 of 8 parameters would be deleted" in message
    assert "/app/p01, /app/p02, /app/p03, /app/p04, /app/p05 and 2 more" in message
    assert "kubectl -n shop annotate dcfg myapp --overwrite dynconfig.dev/approve-generation=2" in message


def test_other_resources_do_not_count_as_parameters() -> None:
    derived = DerivedKinds()
    assert derived.engine().run(declared(many(5), **RED)).is_complete
    # Three of five parameters are most of them, although not of the seven resources.
    assert isinstance(derived.engine().run(declared(many(2), generation=2, **RED)).error, UnsafePlan)
    assert len(derived.fake.store) == 5


def test_approval_of_another_generation_is_ignored() -> None:
    fake = FakeKind()
    fake.engine().run(declared(many(22)))
    stale = declared({}, generation=3, annotations={"dynconfig.dev/approve-generation": "2"})
    assert isinstance(fake.engine().run(stale).error, UnsafePlan)

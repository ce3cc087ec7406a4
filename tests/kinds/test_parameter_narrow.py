"""What cannot be read of one parameter concerns that parameter: all others are written, and nothing is done to it."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.kinds.wire import answers, denied
from tests.kinds.workshop import Workshop

from dynconfig.engine.errors import AccessDenied, Conflict
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.report import status as report

pytestmark = pytest.mark.lab

NAMES = tuple("abcde")
# The index of tags cannot answer for tags that are declared otherwise, so that each parameter is asked for its own.
OTHER_TAGS = {"team": "shop"}


def spec(value: str, names: tuple[str, ...] = NAMES, **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": name, "value": value} for name in names], **more}


def run(workshop: Workshop, declared: dict[str, Any], kind: AnyKind | None = None, **about: Any) -> Outcome:
    return Engine(lambda _place: (kind or workshop.parameters(),)).run(workshop.declare(declared, **about))


def refused(workshop: Workshop, outcome: Outcome) -> list[str]:
    assert outcome.stopped is None
    return [item.title.removeprefix(f"Parameter {workshop.path}/") for item in outcome.refused]


@pytest.fixture
def status(workshop: Workshop) -> dict[str, Any]:
    return workshop.status(run(workshop, spec("1")))


@pytest.mark.parametrize("operation", ["ListTagsForResource", "GetParameters"])
def test_a_denied_read_of_one_parameter_keeps_only_that_one_from_being_written(
    workshop: Workshop, status: dict[str, Any], operation: str
) -> None:
    declared = spec("2", tags=OTHER_TAGS)
    with denied(workshop, operation, f"{workshop.path}/c"):
        outcome = run(workshop, declared, generation=2, status=status)
    assert refused(workshop, outcome) == ["c"]
    assert isinstance(outcome.error, AccessDenied)
    assert f"parameter {workshop.path}/c: " in str(outcome.error)
    assert workshop.versions() == {"a": 2, "b": 2, "c": 1, "d": 2, "e": 2}
    assert not outcome.is_complete
    assert run(workshop, declared, generation=2, status=status).is_complete
    assert workshop.value("c") == "2"


def test_what_was_reported_of_a_parameter_that_cannot_be_read_is_not_forgotten(
    workshop: Workshop, status: dict[str, Any]
) -> None:
    with denied(workshop, "GetParameters", f"{workshop.path}/c"):
        outcome = run(workshop, spec("1"), status=status)
    found = report(outcome, status, 1.8e9, None)
    assert (found["parameters"], found["revision"]) == (status["parameters"], status["revision"])
    assert found["counts"]["summary"] == "4/5"
    assert [item["resource"] for item in found["refused"]] == [f"Parameter {workshop.path}/c"]


def test_a_parameter_that_left_spec_and_cannot_be_read_is_not_deleted(
    workshop: Workshop, status: dict[str, Any]
) -> None:
    with (
        denied(workshop, "ListTagsForResource", f"{workshop.path}/e"),
        denied(workshop, "GetParameters", f"{workshop.path}/e"),
    ):
        outcome = run(workshop, spec("1", ("a", "b", "c")), generation=2, status=status)
    assert refused(workshop, outcome) == ["e"]
    assert set(workshop.versions()) == {"a", "b", "c", "e"}


def test_a_deletion_leaves_only_what_cannot_be_read_and_is_not_over(workshop: Workshop, status: dict[str, Any]) -> None:
    kind = workshop.parameters()
    engine = Engine(lambda _place: (kind,))
    engine.run(workshop.declare(spec("2"), generation=2, status=status))
    with denied(workshop, "GetParameters", f"{workshop.path}/c"):
        outcome = engine.run(workshop.goodbye(spec("2"), status))
    assert refused(workshop, outcome) == ["c"]
    assert not outcome.is_complete
    assert set(workshop.versions()) == {"c"}
    assert engine.run(workshop.goodbye(spec("2"), status)).is_complete


def lacking(name: str) -> Callable[[dict[str, Any]], None]:
    def lack(answer: dict[str, Any]) -> None:
        answer["Parameters"] = [item for item in answer["Parameters"] if item["Name"] != name]

    return lack


def test_a_parameter_that_is_not_described_yet_is_looked_at_again_and_all_others_are_written(
    workshop: Workshop, status: dict[str, Any]
) -> None:
    kind = workshop.parameters()
    with answers(workshop, "ssm", "DescribeParameters", lacking(f"{workshop.path}/b")):
        outcome = run(workshop, spec("2"), kind, generation=2, status=status)
    assert refused(workshop, outcome) == ["b"]
    assert outcome.retry is not None
    assert outcome.retry.delay == 2.0
    assert workshop.versions() == {"a": 2, "b": 1, "c": 2, "d": 2, "e": 2}
    assert run(workshop, spec("2"), kind, generation=2, status=status).is_complete


def test_a_late_answer_about_one_parameter_keeps_only_that_one_from_being_written(workshop: Workshop) -> None:
    kind, name = workshop.parameters(), f"{workshop.path}/a"
    status = workshop.status(run(workshop, spec("1"), kind))
    before = workshop.aws().get_parameters(Names=[name])["Parameters"][0]
    run(workshop, spec("2", ("a",)) | spec("2"), kind, generation=2, status=status)

    def answer_late(answer: dict[str, Any]) -> None:
        answer["Parameters"] = [dict(before) if item["Name"] == name else item for item in answer["Parameters"]]

    with answers(workshop, "ssm", "GetParameters", answer_late):
        outcome = run(workshop, spec("3"), kind, generation=3, status=status)
    assert refused(workshop, outcome) == ["a"]
    assert isinstance(outcome.error, Conflict)
    assert workshop.versions() == {"a": 2, "b": 3, "c": 3, "d": 3, "e": 3}


def test_a_parameter_that_goes_away_at_this_moment_keeps_no_other_from_being_written(workshop: Workshop) -> None:
    kind, name = workshop.parameters(), f"{workshop.path}/d"
    run(workshop, spec("1"))

    def delete(_answer: dict[str, Any]) -> None:
        workshop.aws().delete_parameters(Names=[name])

    with answers(workshop, "ssm", "GetParameters", delete):
        outcome = run(workshop, spec("2"), kind, generation=2)
    assert refused(workshop, outcome) == ["d"]
    assert workshop.versions() == {"a": 2, "b": 2, "c": 2, "e": 2}
    assert run(workshop, spec("2"), kind, generation=2).is_complete


@pytest.mark.parametrize("operation", ["ListTagsForResource", "GetParameters"])
def test_what_is_denied_for_all_is_one_refusal_after_a_few_calls(workshop: Workshop, operation: str) -> None:
    names = tuple(f"p{number:03}" for number in range(100))
    run(workshop, spec("1", names))
    with denied(workshop, operation, *(f"{workshop.path}/{name}" for name in names)) as calls:
        outcome = run(workshop, spec("2", names, tags=OTHER_TAGS), generation=2)
    assert isinstance(outcome.stopped, AccessDenied)
    assert len(calls) <= 12
    assert set(workshop.versions().values()) == {1}


def test_a_path_that_is_denied_is_not_taken_for_all(workshop: Workshop) -> None:
    names = (*(f"app/p{number:02}" for number in range(15)), *(f"locked/p{number:02}" for number in range(25)))
    run(workshop, spec("1", names))
    with denied(workshop, "GetParameters", *(f"{workshop.path}/{name}" for name in names[15:])):
        outcome = run(workshop, spec("2", names), generation=2)
    assert sorted(refused(workshop, outcome)) == sorted(names[15:])
    assert {name for name, version in workshop.versions().items() if version == 2} == set(names[:15])


def test_what_cannot_be_described_is_named_and_its_value_is_written_all_the_same(
    workshop: Workshop, status: dict[str, Any]
) -> None:
    described = {"name": "a", "value": "2", "description": "new"}
    declared = {"parameters": [described, *spec("2", ("b", "c", "d", "e", "f"))["parameters"]]}
    with denied(workshop, "DescribeParameters", *(f"{workshop.path}/{name}" for name in NAMES)):
        outcome = run(workshop, declared, generation=2, status=status)
        again = run(workshop, declared, generation=2, status=status)
    assert refused(workshop, outcome) == list(NAMES)
    assert isinstance(outcome.error, AccessDenied)
    assert f"parameter {workshop.path}/a: DescribeParameters" in str(outcome.error)
    assert workshop.versions() == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 2, "f": 1}
    assert again.plan.is_empty
    assert not again.is_complete
    assert run(workshop, declared, generation=2, status=status).is_complete


def test_metadata_that_could_not_be_read_is_compared_at_the_next_look(
    workshop: Workshop, status: dict[str, Any]
) -> None:
    kind, declared = workshop.parameters(), spec("2")
    workshop.put_by_hand("a", "by hand", Description="by hand")
    with denied(workshop, "DescribeParameters", f"{workshop.path}/a"):
        run(workshop, declared, kind, generation=2, status=status)
    workshop.put_by_hand("b", "2", Description="by hand")
    with denied(workshop, "DescribeParameters", f"{workshop.path}/b"):
        run(workshop, declared, kind, generation=2, status=status)
    outcome = run(workshop, declared, kind, generation=2, status=status)
    assert [step.resource.name for step in outcome.applied] == [f"{workshop.path}/b"]
    assert outcome.is_complete


def test_a_deletion_describes_nothing(workshop: Workshop, status: dict[str, Any]) -> None:
    with denied(workshop, "DescribeParameters", *(f"{workshop.path}/{name}" for name in NAMES)) as calls:
        assert run(workshop, spec("1", ("a", "b", "c", "d")), generation=2, status=status).applied
        described = len(calls)
        workshop.apply(workshop.goodbye(spec("1")))
    assert workshop.versions() == {}
    assert len(calls) == described

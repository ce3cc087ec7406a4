"""A failed read affects only its parameter: all others are written, and it is not touched."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.wire import answers, denied

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.errors import AccessDenied, Conflict
from dynconfig.model.plan import AnyKind
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status.report import status as report

pytestmark = pytest.mark.lab

NAMES = tuple("abcde")
# The tag index does not match changed tags, so each parameter's tags are read by name.
OTHER_TAGS = {"team": "shop"}


def spec(value: str, names: tuple[str, ...] = NAMES, **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": name, "value": value} for name in names], **more}


def run(harness: AwsHarness, declared: dict[str, Any], kind: AnyKind | None = None, **about: Any) -> Outcome:
    return Engine(lambda _place: (kind or harness.parameters(),)).run(harness.declare(declared, **about))


def refused(harness: AwsHarness, outcome: Outcome) -> list[str]:
    assert outcome.stopped is None
    return [item.title.removeprefix(f"Parameter {harness.path}/") for item in outcome.refused]


@pytest.fixture
def status(harness: AwsHarness) -> dict[str, Any]:
    return harness.status(run(harness, spec("1")))


@pytest.mark.parametrize("operation", ["ListTagsForResource", "GetParameters"])
def test_denied_read_affects_only_that_parameter(harness: AwsHarness, status: dict[str, Any], operation: str) -> None:
    declared = spec("2", tags=OTHER_TAGS)
    with denied(harness, operation, f"{harness.path}/c"):
        outcome = run(harness, declared, generation=2, status=status)
    assert refused(harness, outcome) == ["c"]
    assert isinstance(outcome.error, AccessDenied)
    assert f"parameter {harness.path}/c: " in str(outcome.error)
    assert harness.versions() == {"a": 2, "b": 2, "c": 1, "d": 2, "e": 2}
    assert not outcome.is_complete
    assert run(harness, declared, generation=2, status=status).is_complete
    assert harness.value("c") == "2"


def test_status_of_an_unreadable_parameter_is_kept(harness: AwsHarness, status: dict[str, Any]) -> None:
    with denied(harness, "GetParameters", f"{harness.path}/c"):
        outcome = run(harness, spec("1"), status=status)
    found = report(outcome, PreviousStatus.of(status), 1.8e9, None)
    assert (found["parameters"], found["revision"]) == (status["parameters"], status["revision"])
    assert found["counts"]["summary"] == "4/5"
    assert [item["resource"] for item in found["refused"]] == [f"Parameter {harness.path}/c"]


def test_unreadable_surplus_parameter_is_not_deleted(harness: AwsHarness, status: dict[str, Any]) -> None:
    with (
        denied(harness, "ListTagsForResource", f"{harness.path}/e"),
        denied(harness, "GetParameters", f"{harness.path}/e"),
    ):
        outcome = run(harness, spec("1", ("a", "b", "c")), generation=2, status=status)
    assert refused(harness, outcome) == ["e"]
    assert set(harness.versions()) == {"a", "b", "c", "e"}


def test_deletion_is_incomplete_while_a_parameter_is_unreadable(harness: AwsHarness, status: dict[str, Any]) -> None:
    kind = harness.parameters()
    engine = Engine(lambda _place: (kind,))
    engine.run(harness.declare(spec("2"), generation=2, status=status))
    with denied(harness, "GetParameters", f"{harness.path}/c"):
        outcome = engine.run(harness.deletion(spec("2"), status))
    assert refused(harness, outcome) == ["c"]
    assert not outcome.is_complete
    assert set(harness.versions()) == {"c"}
    assert engine.run(harness.deletion(spec("2"), status)).is_complete


def lacking(name: str) -> Callable[[dict[str, Any]], None]:
    def lack(answer: dict[str, Any]) -> None:
        answer["Parameters"] = [item for item in answer["Parameters"] if item["Name"] != name]

    return lack


def test_parameter_not_described_yet_is_retried_and_others_are_written(
    harness: AwsHarness, status: dict[str, Any]
) -> None:
    kind = harness.parameters()
    with answers(harness, "ssm", "DescribeParameters", lacking(f"{harness.path}/b")):
        outcome = run(harness, spec("2"), kind, generation=2, status=status)
    assert refused(harness, outcome) == ["b"]
    assert outcome.retry is not None
    assert outcome.retry.delay == 2.0
    assert harness.versions() == {"a": 2, "b": 1, "c": 2, "d": 2, "e": 2}
    assert run(harness, spec("2"), kind, generation=2, status=status).is_complete


def test_stale_read_affects_only_that_parameter(harness: AwsHarness) -> None:
    kind, name = harness.parameters(), f"{harness.path}/a"
    status = harness.status(run(harness, spec("1"), kind))
    before = harness.aws().get_parameters(Names=[name])["Parameters"][0]
    run(harness, spec("2", ("a",)) | spec("2"), kind, generation=2, status=status)

    def answer_late(answer: dict[str, Any]) -> None:
        answer["Parameters"] = [dict(before) if item["Name"] == name else item for item in answer["Parameters"]]

    with answers(harness, "ssm", "GetParameters", answer_late):
        outcome = run(harness, spec("3"), kind, generation=3, status=status)
    assert refused(harness, outcome) == ["a"]
    assert isinstance(outcome.error, Conflict)
    assert harness.versions() == {"a": 2, "b": 3, "c": 3, "d": 3, "e": 3}


def test_concurrently_deleted_parameter_affects_no_other(harness: AwsHarness) -> None:
    kind, name = harness.parameters(), f"{harness.path}/d"
    run(harness, spec("1"))

    def delete(_answer: dict[str, Any]) -> None:
        harness.aws().delete_parameters(Names=[name])

    with answers(harness, "ssm", "GetParameters", delete):
        outcome = run(harness, spec("2"), kind, generation=2)
    assert refused(harness, outcome) == ["d"]
    assert harness.versions() == {"a": 2, "b": 2, "c": 2, "e": 2}
    assert run(harness, spec("2"), kind, generation=2).is_complete


@pytest.mark.parametrize("operation", ["ListTagsForResource", "GetParameters"])
def test_general_denial_is_one_error_after_a_few_calls(harness: AwsHarness, operation: str) -> None:
    names = tuple(f"p{number:03}" for number in range(100))
    run(harness, spec("1", names))
    with denied(harness, operation, *(f"{harness.path}/{name}" for name in names)) as calls:
        outcome = run(harness, spec("2", names, tags=OTHER_TAGS), generation=2)
    assert isinstance(outcome.stopped, AccessDenied)
    assert len(calls) <= 12
    assert set(harness.versions().values()) == {1}


def test_denied_path_is_not_a_general_denial(harness: AwsHarness) -> None:
    names = (*(f"app/p{number:02}" for number in range(15)), *(f"locked/p{number:02}" for number in range(25)))
    run(harness, spec("1", names))
    with denied(harness, "GetParameters", *(f"{harness.path}/{name}" for name in names[15:])):
        outcome = run(harness, spec("2", names), generation=2)
    assert sorted(refused(harness, outcome)) == sorted(names[15:])
    assert {name for name, version in harness.versions().items() if version == 2} == set(names[:15])


def test_undescribed_parameter_is_reported_and_its_value_is_written(
    harness: AwsHarness, status: dict[str, Any]
) -> None:
    described = {"name": "a", "value": "2", "description": "new"}
    declared = {"parameters": [described, *spec("2", ("b", "c", "d", "e", "f"))["parameters"]]}
    with denied(harness, "DescribeParameters", *(f"{harness.path}/{name}" for name in NAMES)):
        outcome = run(harness, declared, generation=2, status=status)
        again = run(harness, declared, generation=2, status=status)
    assert refused(harness, outcome) == list(NAMES)
    assert isinstance(outcome.error, AccessDenied)
    assert f"parameter {harness.path}/a: DescribeParameters" in str(outcome.error)
    assert harness.versions() == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 2, "f": 1}
    assert again.plan.is_empty
    assert not again.is_complete
    assert run(harness, declared, generation=2, status=status).is_complete


def test_unreadable_metadata_is_compared_in_the_next_reconcile(harness: AwsHarness, status: dict[str, Any]) -> None:
    kind, declared = harness.parameters(), spec("2")
    harness.put_by_hand("a", "by hand", Description="by hand")
    with denied(harness, "DescribeParameters", f"{harness.path}/a"):
        run(harness, declared, kind, generation=2, status=status)
    harness.put_by_hand("b", "2", Description="by hand")
    with denied(harness, "DescribeParameters", f"{harness.path}/b"):
        run(harness, declared, kind, generation=2, status=status)
    outcome = run(harness, declared, kind, generation=2, status=status)
    assert [step.resource.name for step in outcome.applied] == [f"{harness.path}/b"]
    assert outcome.is_complete


def test_deletion_describes_nothing(harness: AwsHarness, status: dict[str, Any]) -> None:
    with denied(harness, "DescribeParameters", *(f"{harness.path}/{name}" for name in NAMES)) as calls:
        assert run(harness, spec("1", ("a", "b", "c", "d")), generation=2, status=status).applied
        described = len(calls)
        harness.apply(harness.deletion(spec("1")))
    assert harness.versions() == {}
    assert len(calls) == described

"""Image parameters: SSM stores them only after EC2 has validated them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.kinds.aws_harness import REQUESTED, AwsHarness
from tests.kinds.wire import answers

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.image import CONFIRMED_WITHIN, REPEAT_SECONDS
from dynconfig.model.errors import NotPossible, Refused, Settling
from dynconfig.model.plan import AnyKind

pytestmark = pytest.mark.lab


def spec(image: str = "ami-12345678", **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "image", "value": image, "dataType": "aws:ec2:image", **more}]}


@contextmanager
def unconfirmed(harness: AwsHarness, keep: int = 0) -> Iterator[None]:
    """Hide image versions later than this one."""

    def hide(answer: dict[str, Any]) -> None:
        if keep == 0:
            answer["Parameters"] = []
        for item in answer["Parameters"]:
            item.update(Version=keep, Value="ami-11111111")

    with answers(harness, "ssm", "GetParameters", hide):
        yield


def run(harness: AwsHarness, kind: AnyKind, declared: dict[str, Any], **about: Any) -> Outcome:
    return Engine(lambda _place: (kind,)).run(harness.declare(declared, **about))


def test_image_is_pending_until_it_is_validated(harness: AwsHarness) -> None:
    kind = harness.parameters()
    with unconfirmed(harness):
        for _attempt in range(3):
            error = run(harness, kind, spec()).error
            assert isinstance(error, Settling)
            assert "/image is being validated by EC2" in str(error)
    assert harness.versions() == {"image": 1}
    assert run(harness, kind, spec()).is_complete
    assert harness.calls(lambda: harness.apply(harness.declare(spec()), kind)) == {"ssm.GetParameters": 1}


def test_changed_image_is_pending_until_it_is_validated(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.settle(harness.declare(spec("ami-11111111")), (kind,))
    with unconfirmed(harness, keep=1):
        for _attempt in range(2):
            assert isinstance(run(harness, kind, spec(), generation=2).error, Settling)
    assert harness.versions() == {"image": 2}
    assert run(harness, kind, spec(), generation=2).is_complete


@pytest.mark.parametrize("tier", ["Standard", "Intelligent-Tiering"])
def test_image_that_fails_validation_is_reported_and_retried_later(harness: AwsHarness, tier: str) -> None:
    kind, declared = harness.parameters(), spec(tier=tier)
    with unconfirmed(harness):
        run(harness, kind, declared)
        # SSM did not store it.
        harness.aws().delete_parameter(Name=f"{harness.path}/image")
        harness.clock.now += CONFIRMED_WITHIN
        error = run(harness, kind, declared).error
        assert isinstance(error, Refused)
        assert "/image: EC2 did not validate the image within 60 s" in str(error)
        assert harness.versions() == {}
        harness.clock.now += REPEAT_SECONDS
        assert isinstance(run(harness, kind, declared).error, Settling)
    assert harness.versions() == {"image": 1}


def test_edit_or_manual_request_retries_an_image_at_once(harness: AwsHarness) -> None:
    kind = harness.parameters()
    with unconfirmed(harness):
        run(harness, kind, spec("ami-00000000"))
        harness.aws().delete_parameter(Name=f"{harness.path}/image")
        assert isinstance(run(harness, kind, spec(), generation=2).error, Settling)
        assert harness.value("image") == "ami-12345678"
        harness.aws().delete_parameter(Name=f"{harness.path}/image")
        harness.clock.now += CONFIRMED_WITHIN
        assert isinstance(run(harness, kind, spec(), generation=2, metadata=REQUESTED).error, Settling)
    assert harness.versions() == {"image": 1}


def test_tag_change_of_an_image_is_not_pending(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.settle(harness.declare(spec()), (kind,))
    assert run(harness, kind, {**spec(), "tags": {"team": "b"}}, generation=2).is_complete


@pytest.mark.parametrize(
    ("before", "after"),
    [("text", "aws:ec2:image"), ("aws:ec2:image", "text"), ("text", "aws:ssm:integration")],
)
def test_data_type_change_is_rejected_before_the_write(harness: AwsHarness, before: str, after: str) -> None:
    kind = harness.parameters()
    harness.settle(harness.declare(spec(dataType=before)), (kind,))
    edited = spec(dataType=after)
    edited["parameters"].append({"name": "other", "value": "1"})
    error = run(harness, kind, edited, generation=2).error
    assert isinstance(error, NotPossible)
    assert f"/image has dataType {before}, which SSM cannot change to {after}" in str(error)
    assert harness.versions() == {"image": 1, "other": 1}

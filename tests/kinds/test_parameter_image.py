"""Parameters that are images: what SSM has taken is there only when EC2 has confirmed it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.kinds.wire import answers
from tests.kinds.workshop import ASKED, Workshop

from dynconfig.engine.errors import NotPossible, Refused, Settling
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter_image import CONFIRMED_WITHIN, REPEAT_SECONDS

pytestmark = pytest.mark.lab


def spec(image: str = "ami-12345678", **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "image", "value": image, "dataType": "aws:ec2:image", **more}]}


@contextmanager
def unconfirmed(workshop: Workshop, keep: int = 0) -> Iterator[None]:
    """SSM shows no image that is later than this version."""

    def hide(answer: dict[str, Any]) -> None:
        if keep == 0:
            answer["Parameters"] = []
        for item in answer["Parameters"]:
            item.update(Version=keep, Value="ami-11111111")

    with answers(workshop, "ssm", "GetParameters", hide):
        yield


def run(workshop: Workshop, kind: AnyKind, declared: dict[str, Any], **about: Any) -> Outcome:
    return Engine(lambda _place: (kind,)).run(workshop.declare(declared, **about))


def test_an_image_is_not_called_in_sync_before_it_is_there_and_is_written_once(workshop: Workshop) -> None:
    kind = workshop.parameters()
    with unconfirmed(workshop):
        for _look in range(3):
            error = run(workshop, kind, spec()).error
            assert isinstance(error, Settling)
            assert "/image is being validated by EC2" in str(error)
    assert workshop.versions() == {"image": 1}
    assert run(workshop, kind, spec()).is_complete
    assert workshop.calls(lambda: workshop.apply(workshop.declare(spec()), kind)) == {"ssm.GetParameters": 1}


def test_another_image_is_waited_for_as_a_new_one_is(workshop: Workshop) -> None:
    kind = workshop.parameters()
    workshop.settle(workshop.declare(spec("ami-11111111")), (kind,))
    with unconfirmed(workshop, keep=1):
        for _look in range(2):
            assert isinstance(run(workshop, kind, spec(), generation=2).error, Settling)
    assert workshop.versions() == {"image": 2}
    assert run(workshop, kind, spec(), generation=2).is_complete


@pytest.mark.parametrize("tier", ["Standard", "Intelligent-Tiering"])
def test_an_image_that_is_not_confirmed_is_told_and_tried_again_later(workshop: Workshop, tier: str) -> None:
    kind, declared = workshop.parameters(), spec(tier=tier)
    with unconfirmed(workshop):
        run(workshop, kind, declared)
        # SSM did not store it.
        workshop.aws().delete_parameter(Name=f"{workshop.path}/image")
        workshop.clock.now += CONFIRMED_WITHIN
        error = run(workshop, kind, declared).error
        assert isinstance(error, Refused)
        assert "/image: EC2 did not validate the image within 60 s" in str(error)
        assert workshop.versions() == {}
        workshop.clock.now += REPEAT_SECONDS
        assert isinstance(run(workshop, kind, declared).error, Settling)
    assert workshop.versions() == {"image": 1}


def test_an_edit_or_a_request_tries_an_image_at_once(workshop: Workshop) -> None:
    kind = workshop.parameters()
    with unconfirmed(workshop):
        run(workshop, kind, spec("ami-00000000"))
        workshop.aws().delete_parameter(Name=f"{workshop.path}/image")
        assert isinstance(run(workshop, kind, spec(), generation=2).error, Settling)
        assert workshop.value("image") == "ami-12345678"
        workshop.aws().delete_parameter(Name=f"{workshop.path}/image")
        workshop.clock.now += CONFIRMED_WITHIN
        assert isinstance(run(workshop, kind, spec(), generation=2, metadata=ASKED).error, Settling)
    assert workshop.versions() == {"image": 1}


def test_a_tag_of_an_image_waits_for_nothing(workshop: Workshop) -> None:
    kind = workshop.parameters()
    workshop.settle(workshop.declare(spec()), (kind,))
    assert run(workshop, kind, {**spec(), "tags": {"team": "b"}}, generation=2).is_complete


@pytest.mark.parametrize(
    ("before", "after"),
    [("text", "aws:ec2:image"), ("aws:ec2:image", "text"), ("text", "aws:ssm:integration")],
)
def test_there_is_no_way_from_one_data_type_to_another_and_it_is_not_written(
    workshop: Workshop, before: str, after: str
) -> None:
    kind = workshop.parameters()
    workshop.settle(workshop.declare(spec(dataType=before)), (kind,))
    edited = spec(dataType=after)
    edited["parameters"].append({"name": "other", "value": "1"})
    error = run(workshop, kind, edited, generation=2).error
    assert isinstance(error, NotPossible)
    assert f"/image has dataType {before}, which SSM cannot change to {after}" in str(error)
    assert workshop.versions() == {"image": 1, "other": 1}

"""Kinds that are looked at together: none of them may ask what the kinds before it found."""

from dataclasses import replace

import pytest
from tests.kinds.workshop import REGION, Workshop

from dynconfig import wiring
from dynconfig.engine.declaration import Place
from dynconfig.engine.look import scope_of
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.resource import Resource
from dynconfig.settings import Settings

pytestmark = pytest.mark.lab

SPEC = {
    "parameters": [{"name": "a", "value": "1"}],
    "function": {
        "onFailure": "arn:aws:sqs:eu-west-1:123456789012:failed",
        "triggers": {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {}},
    },
}


class Untouchable(tuple[Resource, ...]):
    """What must not be looked into."""

    __slots__ = ()

    def __iter__(self) -> None:  # type: ignore[override]  # it never answers
        raise AssertionError("a kind that stands alone looks at what others found")


def kinds(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> tuple[AnyKind, ...]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", workshop.lab.endpoint)
    return tuple(wiring.kinds(Settings(is_emulated=True), Place(REGION)))


def test_kinds_that_stand_alone_do_not_ask_what_others_found(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    declaration = workshop.declare(SPEC)
    alone = [kind for kind in kinds(workshop, monkeypatch) if getattr(kind, "stands_alone", False)]
    assert len(alone) >= 8
    for kind in alone:
        scope = replace(scope_of(declaration), found=Untouchable())
        list(kind.observe(scope, tuple(kind.desired(declaration))))


def test_kinds_that_follow_others_do_ask(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    declaration = workshop.declare(SPEC)
    for kind in kinds(workshop, monkeypatch):
        if not getattr(kind, "stands_alone", False):
            scope = replace(scope_of(declaration), found=Untouchable())
            with pytest.raises(AssertionError, match="looks at what others found"):
                list(kind.observe(scope, tuple(kind.desired(declaration))))

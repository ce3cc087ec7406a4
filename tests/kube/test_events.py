"""Kubernetes Events: rejected ones are logged and dropped, repeated ones are counted."""

import asyncio
import json
import logging

import pytest
from aiohttp import web
from tests.kube.apiserver import serving, status
from tests.kube.controller_harness import configured

from dynconfig.kube.events import MESSAGE_LENGTH, Recorder
from dynconfig.status.kube_events import KubeEvent

NOTE = KubeEvent("Warning", "Abandoned", "Finalizer removed by annotation. Left in AWS (eu-west-1): /app/a")


class Journal:
    """Recorded requests and scripted responses."""

    def __init__(self, *answers: web.Response) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self._answers = list(answers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the next scripted response, then success."""
        self.requests.append((request.method, request.path, json.loads(await request.text())["count"]))
        return self._answers.pop(0) if self._answers else web.json_response({"metadata": {"name": "e1"}})


def recorded(journal: Journal, notes: int) -> None:
    """The same note several times."""

    async def act() -> None:
        async with serving(journal.answer) as kube:
            recorder = Recorder(kube, lambda: 1.8e9)
            for _ in range(notes):
                await recorder.record(configured({"a": "1"}), NOTE)

    asyncio.run(act())


EVENTS = "/api/v1/namespaces/shop/events"


def test_repeated_message_is_counted() -> None:
    journal = Journal()
    recorded(journal, 3)
    assert journal.requests == [("POST", EVENTS, 1), ("PATCH", f"{EVENTS}/e1", 2), ("PATCH", f"{EVENTS}/e1", 3)]


def test_expired_event_is_created_again() -> None:
    journal = Journal(web.json_response({"metadata": {"name": "e1"}}), status(404, "not found"))
    recorded(journal, 2)
    assert journal.requests[1:] == [("PATCH", f"{EVENTS}/e1", 2), ("POST", EVENTS, 1)]


@pytest.mark.parametrize("code", [403, 409, 500])
def test_rejected_event_is_logged_with_its_message(code: int, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(status(code, "namespace shop is being terminated"))
    with caplog.at_level(logging.WARNING):
        recorded(journal, 2)
    assert "shop/myapp: Abandoned: Finalizer removed by annotation. Left in AWS (eu-west-1): /app/a" in caplog.text
    assert "namespace shop is being terminated" in caplog.text
    assert journal.requests == [("POST", EVENTS, 1)] * 2


def test_messages_of_one_object_do_not_replace_those_of_others() -> None:
    journal = Journal()

    async def act() -> None:
        async with serving(journal.answer) as kube:
            recorder, evil = Recorder(kube, lambda: 1.8e9), configured({"a": "1"}, uid="uid-2")
            await recorder.record(configured({"a": "1"}), NOTE)
            for number in range(600):
                await recorder.record(evil, KubeEvent("Warning", "Failed", f"message {number}"))
            await recorder.record(configured({"a": "1"}), NOTE)
            await recorder.record(evil, KubeEvent("Warning", "Failed", "message 0"))

    asyncio.run(act())
    assert journal.requests[-2:] == [("PATCH", f"{EVENTS}/e1", 2), ("POST", EVENTS, 1)]


def test_rejected_event_is_logged_as_short_as_it_would_be_recorded(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(status(403, "denied"))

    async def act() -> None:
        async with serving(journal.answer) as kube:
            await Recorder(kube, lambda: 1.8e9).record(
                configured({"a": "1"}), KubeEvent("Warning", "Failed", "x" * 100_000)
            )

    asyncio.run(act())
    assert len(caplog.text) < 2 * MESSAGE_LENGTH

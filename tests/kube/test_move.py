"""A parameter moves between objects: it is handed over in place, in whichever order the two are edited."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web
from tests.kube.apiserver import Document, status
from tests.kube.controller_harness import GOING, KEY, ControllerHarness, configured, running_controller

from dynconfig.kube.moves import ACCEPTANCE_SECONDS
from dynconfig.model.errors import Conflict
from dynconfig.model.key import Key

HEIR = Key("shop", "heir")


def heir(values: dict[str, str], generation: int = 1, **about: Any) -> Document:
    """Another object below the same path, which may adopt."""
    metadata = {"name": HEIR.name}
    return configured(
        values, uid="uid-2", metadata=metadata, generation=generation, adoptionPolicy="IfUnowned", **about
    )


def reason(found: ControllerHarness, key: Key) -> str:
    """Why an object is Ready, or not."""
    conditions = (found.server.objects.get(key, {}).get("status") or {}).get("conditions")
    return str(conditions[0]["reason"]) if conditions else ""


def applied(found: ControllerHarness, key: Key) -> int:
    """Return the last applied generation."""
    return int(found.server.objects[key].get("status", {}).get("appliedGeneration", 0))


def edited(found: ControllerHarness, key: Key, document: Document) -> None:
    """Edit an object as a user; its status stays."""
    found.server.objects[key] = {**document, "status": found.server.objects[key].get("status")}
    found.deliver("MODIFIED", found.server.objects[key])


async def both(found: ControllerHarness) -> None:
    """Two objects that are in sync."""
    found.applied(configured({"a": "1", "b": "2"}))
    found.applied(heir({"own": "3"}))
    await found.server.until(lambda: (reason(found, KEY), reason(found, HEIR)) == ("InSync", "InSync"))


async def moved(found: ControllerHarness) -> None:
    """The adopting object has the unchanged parameter."""
    await found.server.until(lambda: all(applied(found, key) == 2 for key in (KEY, HEIR)))
    assert "delete /app/b" not in found.fake.calls
    assert "uid-2" in found.fake.store["/app/b"].owner


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_parameter_moves_to_an_object_that_declared_it_before(policy: str) -> None:
    async def act() -> None:
        async with running_controller() as found:
            await both(found)
            edited(found, HEIR, heir({"own": "3", "b": "2"}, generation=2))
            await found.server.until(lambda: reason(found, HEIR) == "NotOwned")
            edited(found, KEY, configured({"a": "1"}, generation=2, deletionPolicy=policy))
            await moved(found)

    asyncio.run(act())


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_parameter_moves_to_an_object_that_declares_it_shortly_after(policy: str) -> None:
    async def act() -> None:
        async with running_controller(move_seconds=3.0) as found:
            await both(found)
            edited(found, KEY, configured({"a": "1"}, generation=2, deletionPolicy=policy))
            await found.server.until(lambda: reason(found, KEY) in ("DeletionDelayed", "InSync"))
            edited(found, HEIR, heir({"own": "3", "b": "2"}, generation=2))
            await moved(found)

    asyncio.run(act())


def test_deleted_object_hands_over_what_another_declares() -> None:
    async def act() -> None:
        async with running_controller() as found:
            await both(found)
            edited(found, HEIR, heir({"own": "3", "b": "2"}, generation=2))
            await found.server.until(lambda: reason(found, HEIR) == "NotOwned")
            deleted = configured({"a": "1", "b": "2"}, metadata={"deletionTimestamp": GOING})
            edited(found, KEY, deleted)
            await found.server.until(lambda: KEY not in found.server.objects)
            await found.server.until(lambda: reason(found, HEIR) == "InSync")
            assert set(found.fake.store) == {"/app/b", "/app/own"}
            assert "delete /app/b" not in found.fake.calls

    asyncio.run(act())


def test_restarted_operator_lists_all_objects_before_the_first_reconcile() -> None:
    async def act() -> None:
        async with running_controller() as found:
            await both(found)
            before = found.server.objects
        async with running_controller() as later:
            later.server.objects, later.fake.store = before, found.fake.store
            edit = heir({"own": "3", "b": "2"}, generation=2)
            later.server.objects[HEIR] = {**edit, "status": before[HEIR]["status"]}
            for stored in later.server.objects.values():
                later.deliver(None, stored)
            # The watch has only shown the object that gives the parameter up.
            edited(later, KEY, configured({"a": "1"}, generation=2))
            await later.server.until(lambda: later.status.get("appliedGeneration") == 2)
            assert "hand over /app/b" in later.fake.calls
            assert "delete /app/b" not in later.fake.calls

    asyncio.run(act())


def test_given_up_resource_requeues_the_waiting_objects() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: reason(found, KEY) == "InSync")
            found.applied(heir({"a": "1"}))
            await found.server.until(lambda: reason(found, HEIR) == "NotOwned")
            # The watch shows the place in its status.
            found.deliver("MODIFIED", found.server.objects[HEIR])
            edited(found, KEY, configured({}, generation=2))
            await found.server.until(lambda: reason(found, HEIR) == "InSync", seconds=1.5)

    asyncio.run(act())


def test_no_warning_while_the_owner_is_about_to_give_up_the_parameter() -> None:
    async def act() -> None:
        async with running_controller() as found:
            await both(found)
            found.fake.failures["/app/b"] = Conflict("busy", delay=0.1)
            edited(found, HEIR, heir({"own": "3", "b": "2"}, generation=2))
            edited(found, KEY, configured({"a": "1"}, generation=2))
            await found.server.until(lambda: reason(found, HEIR) == "NotOwned")
            del found.fake.failures["/app/b"]
            await moved(found)
            assert "NotOwned" not in {event["reason"] for event in found.server.events}

    asyncio.run(act())


def test_object_observes_a_parameter_that_another_object_created() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1", "b": "2"}, driftPolicy="Report"))
            await found.server.until(lambda: reason(found, KEY) == "InSync")
            del found.fake.store["/app/b"]
            found.controller.requeue(KEY)
            await found.server.until(lambda: reason(found, KEY) == "DriftReported")
            found.applied(heir({"b": "9"}))
            await found.server.until(lambda: reason(found, HEIR) == "InSync")
            await found.server.until(lambda: reason(found, KEY) == "NotOwned")

    asyncio.run(act())


def test_move_of_most_parameters_continues_as_soon_as_the_other_object_declares_them() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured(dict.fromkeys("abcd", "1")))
            found.applied(heir({"own": "3"}))
            await found.server.until(lambda: (reason(found, KEY), reason(found, HEIR)) == ("InSync", "InSync"))
            edited(found, KEY, configured({"a": "1"}, generation=2))
            await found.server.until(lambda: reason(found, KEY) == "UnsafePlan")
            edited(found, HEIR, heir({"own": "3", **dict.fromkeys("bcd", "1")}, generation=2))
            await moved(found)

    asyncio.run(act())


@pytest.mark.parametrize("is_deleted", [True, False])
def test_object_that_is_never_accepted_does_not_block_a_removal(*, is_deleted: bool) -> None:
    async def act() -> None:
        late = 0.0

        async def refuse(request: web.Request) -> web.Response | None:
            return status(409, "it has changed") if request.method == "PATCH" and HEIR.name in request.path else None

        async with running_controller(clock=lambda: time.monotonic() + late) as found:
            found.applied(configured({"a": "1", "b": "2"}))
            await found.server.until(lambda: reason(found, KEY) == "InSync")
            found.server.before = refuse
            found.applied(heir({"b": "2"}, finalizers=[]))
            deleted = configured({"a": "1", "b": "2"}, metadata={"deletionTimestamp": GOING})
            edited(found, KEY, deleted if is_deleted else configured({"a": "1"}, generation=2))
            await found.server.until(lambda: reason(found, KEY) == "Conflict")
            late = 2 * ACCEPTANCE_SECONDS
            await found.server.until(lambda: "release /app/b" in found.fake.calls)
            await found.server.until(lambda: KEY not in found.server.objects or reason(found, KEY) == "InSync")
            # A declared parameter is not deleted.
            assert found.fake.store["/app/b"].owner == ""
            found.server.before = None
            await found.server.until(lambda: reason(found, HEIR) == "InSync")

    asyncio.run(act())


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_parameter_handed_over_to_a_deleted_object_always_has_an_owner(policy: str) -> None:
    async def act() -> None:
        async with running_controller() as found:
            await both(found)
            edited(found, HEIR, heir({"own": "3", "b": "2"}, generation=2, deletionPolicy=policy))
            await found.server.until(lambda: reason(found, HEIR) == "NotOwned")
            edited(found, KEY, configured({"a": "1"}, generation=2))
            await found.server.until(lambda: "hand over /app/b" in found.fake.calls)
            going = heir({"own": "3", "b": "2"}, generation=3, deletionPolicy=policy)
            edited(found, HEIR, {**going, "metadata": {**going["metadata"], "deletionTimestamp": GOING}})
            await found.server.until(lambda: HEIR not in found.server.objects)
            last = "delete" if policy == "Delete" else "release"
            assert [call for call in found.fake.writes if call.endswith("/app/b")][1:] == [
                "hand over /app/b",
                f"{last} /app/b",
            ]

    asyncio.run(act())


def test_only_an_object_that_gives_something_up_asks_whether_silent_watches_are_current() -> None:
    async def act() -> None:
        async with running_controller() as found:
            asked, known_until = list[str](), found.controller.moves.known_until

            def answer(version: str) -> float | None:
                asked.append(version)
                return known_until(version)

            found.controller.moves.known_until = answer
            found.applied(configured({"a": "1", "b": "2"}, finalizers=[]))
            await found.server.until(lambda: reason(found, KEY) == "InSync")
            edited(found, KEY, configured({"a": "2", "b": "2"}, generation=2))
            await found.server.until(lambda: found.status.get("appliedGeneration") == 2)
            assert set(asked) == {""}
            edited(found, KEY, configured({"a": "2"}, generation=3))
            await found.server.until(lambda: found.status.get("appliedGeneration") == 3)
            assert any(asked)

    asyncio.run(act())


def test_parameter_is_not_deleted_before_all_that_was_received_while_it_waited_was_handled() -> None:
    """The object that declares it may be behind others that are slow to parse."""

    async def act() -> None:
        async with running_controller(move_seconds=0.3) as found:
            moves, checks = found.controller.moves, list[str]()

            async def count(request: web.Request) -> None:
                checks.append(f"{request.method} {request.path.rpartition('/')[2]}")

            await both(found)
            known_until, stopped_at = moves.known_until, time.monotonic()
            moves.known_until = lambda _version: stopped_at
            found.server.before = count
            edited(found, KEY, configured({"a": "1"}, generation=2))
            # Each time after the parameter has waited.
            await found.server.until(lambda: checks.count(f"GET {KEY.name}") > 4)
            assert "delete /app/b" not in found.fake.calls
            moves.known_until = known_until
            edited(found, HEIR, heir({"own": "3", "b": "2"}, generation=2))
            await moved(found)

    asyncio.run(act())

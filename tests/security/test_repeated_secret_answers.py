"""Results about Secrets that are given again after a restart: each namespace has its own, and they are forgotten."""

import asyncio

from tests.kube.controller_harness import KEY, configured, running_controller
from tests.security.test_secret_answers import Clock, admit, guarded

from dynconfig.model.errors import SecretCheckDelayed
from dynconfig.model.key import Key
from dynconfig.validation.secret_checks import AT_ONCE, MOST_FREE, AnswerBudget, Question


def references(number: int) -> Question:
    """What an object with the most references asks, each to a key of its own."""
    return Question(f"c{number}", secrets=frozenset(f"s{number}/{key}" for key in range(1000)))


def test_references_of_one_namespace_use_up_the_free_results_of_no_other() -> None:
    budget, delayed = AnswerBudget(Clock()), 0
    for number in range(MOST_FREE // 1000 + AT_ONCE + 1):
        try:
            admit(budget, references(number), str(number), "evil", was_answered=True)
        except SecretCheckDelayed:
            delayed += 1
    assert delayed == 1
    for number in range(100):
        admit(budget, Question(f"q{number}", secrets=frozenset((f"db/{number}",))), str(number), was_answered=True)


def test_free_results_of_a_namespace_are_forgotten_after_its_last_object() -> None:
    async def act() -> None:
        async with running_controller() as found:
            guarded(found)
            found.applied(configured({"plain": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            answers = found.controller._answers
            for namespace in (KEY.namespace, "other"):
                admit(answers, references(1), "uid", namespace, was_answered=True)
            forgotten = asyncio.Queue[Key]()
            found.controller._existing.on_forget(forgotten.put_nowait)
            second = configured({"plain": "2"}, uid="uid-2", metadata={"name": "second"})
            found.applied(second)
            found.deliver("DELETED", found.server.objects.pop(KEY))
            assert await forgotten.get() == KEY
            # Another object is left, which may have been checked before the start.
            assert answers._free.keys() == {KEY.namespace, "other"}
            found.deliver("DELETED", found.server.objects.pop(Key(KEY.namespace, "second")))
            await forgotten.get()
            assert answers._free.keys() == {"other"}

    asyncio.run(act())

"""What a writer of a DynamicConfig learns about the texts of Secrets: one bit for the whole object, at a limited rate."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import OWNER, document
from tests.kube.apiserver import status as refused
from tests.kube.controller_harness import KEY, ControllerHarness, configured, running_controller
from tests.operations import calls_of

from dynconfig.model.declaration import Source
from dynconfig.model.errors import InvalidSpec, SecretCheckDelayed
from dynconfig.model.key import Key
from dynconfig.validation.declare import declare, faults, parse_spec
from dynconfig.validation.secret_checks import (
    AT_ONCE,
    DOES_NOT_HOLD,
    FREE_AFTER_START,
    INTERVAL,
    AnswerBudget,
    Question,
    question,
)
from dynconfig.validation.tenancy import Tenant

PASSWORD = Source("Secret", "db", "password")
GUESS = Source("ConfigMap", "mine", "guess")
TEXT = "Correct-horse-7"
REFERENCE = {"secretKeyRef": {"name": "db", "key": "password"}}
Item = dict[str, Any]


def secret(name: str = "password", **more: Any) -> Item:
    return {"name": name, "valueFrom": REFERENCE, **more}


GUESSED = {"name": "guess", "valueFrom": {"configMapKeyRef": {"name": "mine", "key": "guess"}}}
PLAIN = {"name": "plain", "value": "Correct"}
UNMET: dict[str, tuple[list[Item], list[str]]] = {
    "pattern": ([secret(schema={"pattern": "^D"})], []),
    "allowedPattern": ([secret(allowedPattern="^D")], []),
    "enum": ([secret(schema={"enum": ["correct-horse-7"]})], []),
    "minLength": ([secret(schema={"minLength": 16})], []),
    "maxLength": ([secret(schema={"maxLength": 14})], []),
    "type": ([secret(schema={"type": "integer"})], []),
    "json": ([secret(schema={"type": "json", "jsonSchema": {}})], []),
    "rule": ([secret()], ["config.password.startsWith('D')"]),
    "rule with a value": ([secret(), PLAIN], ["config.password == config.plain"]),
    "rule with a ConfigMap": ([secret(), GUESSED], ["config.password == config.guess"]),
    "rule over all": ([secret(), PLAIN], ["config.all(name, config[name] == 'x')"]),
    "rule that fails": ([secret()], ["config.password.startsWith('C') && 1 / 0 == 1"]),
    "rule of another type": ([secret()], ["int(config.password) == 1"]),
    "rule with too much work": (
        [secret()],
        ["['a'].map(a, [1,2,3,4,5,6,7,8,9].map(b, config.password + config.password))[0].size() < 0"],
    ),
}


def read(source: Source) -> str | None:
    return {PASSWORD: TEXT, GUESS: "x"}.get(source)


def report_of(parameters: Sequence[Item], rules: Sequence[str] = (), text: str = TEXT) -> str:
    """The operator's report; empty if nothing is wrong."""
    written = document({}, parameters=list(parameters), rules=[{"rule": rule, "message": "mine"} for rule in rules])
    texts = {PASSWORD: text, GUESS: "x"}
    try:
        declare(
            written,
            owner=OWNER,
            default_region="eu-west-1",
            read=texts.get,
            tenant=Tenant(OWNER.namespace),
            admit=lambda _digest: None,
        )
    except InvalidSpec as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", UNMET)
def test_error_names_neither_the_failed_check_nor_the_value(name: str) -> None:
    parameters, rules = UNMET[name]
    assert report_of(parameters, rules) == DOES_NOT_HOLD
    # A user who may get the Secret learns all of it.
    written = document({}, parameters=parameters, rules=[{"rule": rule, "message": "mine"} for rule in rules])
    (found,) = faults(written, read)
    assert found.startswith(("parameter password: the value", "spec.rules[0]"))
    assert TEXT not in found


def test_many_checks_in_one_object_are_one_answer() -> None:
    answers = set()
    for first in "ABCDEFG":
        checks = [secret(f"p{number}", schema={"pattern": f"^{letter}"}) for number, letter in enumerate("ABCDEF")]
        rules = [f"config.p0.startsWith('{letter}')" for letter in "ABCDEF"]
        answers.add(report_of([*checks, PLAIN], rules, first))
    assert answers == {DOES_NOT_HOLD}


def test_aws_is_called_for_one_answer_at_most() -> None:
    two = [secret("a", allowedPattern="^(?=C)"), secret("b", allowedPattern="^(?=D)")]
    assert "parameter b: allowedPattern differs from that of another parameter with key password" in report_of(two)
    assert report_of([secret("a", allowedPattern="^(?=C)"), secret("b", allowedPattern="^(?=C)")]) == ""


def test_errors_without_the_secret_are_reported_completely_and_alone() -> None:
    found = report_of([secret(schema={"pattern": "^D"}), {"name": "n", "value": "x", "schema": {"type": "integer"}}])
    assert found == "parameter n: the value is not of type integer"
    assert "mine" in report_of([secret(schema={"pattern": "^D"}), PLAIN], ["config.plain == 'x'"])
    assert "is not a valid regular expression" in report_of([secret(schema={"pattern": "("})])
    assert "references parameter nothing" in report_of([secret()], ["config.password == config.nothing"])


@pytest.mark.parametrize(
    ("text", "parameter", "fact"),
    [
        ("", {}, "the value is empty"),
        ("x" * 5000, {}, "the value exceeds the 4096 bytes of tier Standard; set tier: Advanced"),
        ("x" * 9000, {"tier": "Advanced"}, "the value exceeds the 8192 bytes of tier Advanced"),
        ("a{{b", {}, "contains {{"),
    ],
)
def test_errors_of_ssm_for_any_value_are_named(text: str, parameter: Item, fact: str) -> None:
    found = report_of([secret(**parameter)], text=text)
    assert fact in found
    assert str(len(text)) not in found or not text


@pytest.mark.parametrize(
    ("text", "fact"),
    [("a\n", "ends with a newline"), (" a", "begins or ends with white space"), ("a", ""), ("A", "")],
)
def test_white_space_is_reported_in_any_case_but_letter_case_is_not(text: str, fact: str) -> None:
    for check in ({"enum": ["a"]}, {"pattern": "^z$"}, {"minLength": 8000}):
        found = report_of([secret(schema={**check, "maxLength": 8001}), secret("unchecked")], text=text)
        if found:
            assert found == DOES_NOT_HOLD + (f"; parameter password: the value {fact}" if fact else "")


def asked(parameters: list[Item], rules: Sequence[str] = (), text: str = TEXT, guess: str = "x") -> Question | None:
    written = document({}, parameters=parameters, rules=[{"rule": rule} for rule in rules])
    texts = {"secretKeyRef": text, "configMapKeyRef": guess}
    known = {
        item["name"]: item.get("value") or texts[next(iter(item["valueFrom"]))]
        for item in written["spec"]["parameters"]
    }
    return question(parse_spec(written), known)


def test_question_is_the_check_and_not_the_text() -> None:
    assert asked([secret(), PLAIN], ["config.plain == 'x'"]) is None
    checked = [secret(schema={"pattern": "^C"}), PLAIN]
    assert asked(checked) == asked(checked, text="other")
    assert asked(checked) == asked([*checked, {"name": "more", "value": "1"}, secret("unchecked")])
    compared = ([secret(), GUESSED], ["config.password == config.guess"])
    questions = [
        asked(checked),
        asked([secret(schema={"pattern": "^D"})]),
        asked([secret(allowedPattern="^C")]),
        asked([secret(schema={"type": "integer"})]),
        asked([secret("password"), PLAIN], ["config.password == config.plain"]),
        asked([secret("password"), {**PLAIN, "value": "Other"}], ["config.password == config.plain"]),
        asked(*compared, guess="x"),
        asked(*compared, guess="y"),
    ]
    assert len(set(questions)) == len(questions)
    assert all(questions)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admit(
    budget: AnswerBudget, asked: str | Question, uid: str, namespace: str = "shop", *, was_answered: bool = False
) -> None:
    """Ask as an object. Raises SecretCheckDelayed."""
    with budget.turn(namespace, uid, was_answered=was_answered) as ask:
        ask(Question(asked) if isinstance(asked, str) else asked)


def answered(
    budget: AnswerBudget, questions: Sequence[str | Question], uid: str = "evil", namespace: str = "evil"
) -> int:
    """How many of the questions are answered at once."""
    count = 0
    for asked_now in questions:
        try:
            admit(budget, asked_now, uid, namespace)
        except SecretCheckDelayed:
            continue
        count += 1
    return count


def test_namespace_gets_few_answers_at_once_and_then_one_in_ten_seconds() -> None:
    clock = Clock()
    budget = AnswerBudget(clock)
    numbers = itertools.count()

    def fresh(count: int) -> list[str]:
        return [str(next(numbers)) for _ in range(count)]

    assert answered(budget, fresh(100)) == AT_ONCE
    # Neither another object nor a recreated one gets more; another namespace does.
    assert answered(budget, fresh(1), uid="second") == 0
    budget.forget("evil", "evil")
    assert answered(budget, fresh(1)) == 0
    assert answered(budget, fresh(1), namespace="mine") == 1
    total = 0
    for _ in range(3600):
        clock.now += 1
        total += answered(budget, fresh(3))
    assert 3600 / INTERVAL - 1 <= total <= 3600 / INTERVAL + 1


def test_repeated_question_is_free_and_two_of_a_kind_count_once() -> None:
    budget = AnswerBudget(Clock())
    assert answered(budget, ["a"] * 100) == 100
    assert sum(answered(budget, ["a"], uid=str(number)) for number in range(100)) == 100
    # Each change back and forth is a question, since the text may have changed in between.
    assert answered(budget, ["b", "c"] * 4, uid="other") == 8
    assert answered(budget, ["d", "e", "f"], uid="other") == AT_ONCE - 9


def test_restart_does_not_use_the_budget() -> None:
    budget = AnswerBudget(Clock())
    for number in range(100):
        admit(budget, f"q{number}", str(number), was_answered=True)
    # Except at the first reconcile: a ConfigMap may change without a new generation.
    for number in range(AT_ONCE):
        admit(budget, f"r{number}", str(number), was_answered=True)
    with pytest.raises(SecretCheckDelayed):
        admit(budget, "r99", "99", was_answered=True)


def test_restart_answers_few_objects_about_one_key_without_the_budget() -> None:
    """Objects that were prepared before the restart, each with another guess in a ConfigMap that was edited meanwhile."""
    clock = Clock()
    budget, total = AnswerBudget(clock), 0
    for number in range(100):
        try:
            asked = Question(f"guess-{number}", secrets=frozenset(("db/password",)))
            admit(budget, asked, str(number), was_answered=True)
        except SecretCheckDelayed:
            continue
        total += 1
    assert total == FREE_AFTER_START + AT_ONCE
    # About other keys, and in other namespaces, as many are free.
    admit(budget, Question("other", secrets=frozenset(("db/user",))), "other", was_answered=True)
    admit(budget, Question("other", secrets=frozenset(("db/password",))), "other", "cart", was_answered=True)


def test_waiting_objects_are_spread_over_time() -> None:
    budget, delays = AnswerBudget(Clock()), []
    answered(budget, [str(number) for number in range(AT_ONCE)])
    for number in range(5):
        with pytest.raises(SecretCheckDelayed) as delayed:
            admit(budget, f"q{number}", f"uid-{number}", "evil")
        delays.append(delayed.value.delay)
    assert delays == [INTERVAL * number for number in range(1, 6)]


def test_state_of_deleted_objects_is_removed() -> None:
    clock = Clock()
    budget = AnswerBudget(clock)
    for number in range(50):
        answered(budget, [f"q{number}"], uid=str(number))
    for number in range(50):
        budget.forget("evil", str(number))
    kept = [value for name, value in vars(budget).items() if isinstance(value, dict) and name != "_busy_until"]
    assert kept
    assert not any(kept)


def waits(budget: AnswerBudget, asked: str | Question, uid: str) -> float:
    """How long an object waits for its result, in seconds."""
    try:
        admit(budget, asked, uid)
    except SecretCheckDelayed as error:
        return error.delay or 0.0
    return 0.0


def test_object_that_no_longer_waits_does_not_delay_others() -> None:
    """Because its checks were removed, it became invalid, or it was deleted."""
    budget = AnswerBudget(Clock())
    for number in range(AT_ONCE):
        admit(budget, f"q{number}", str(number))
    assert [waits(budget, f"r{number}", f"uid-{number}") for number in range(4)] == [10.0, 20.0, 30.0, 40.0]
    with budget.turn("shop", "uid-0"):
        pass
    with pytest.raises(InvalidSpec), budget.turn("shop", "uid-1"):
        raise InvalidSpec("x")
    budget.forget("shop", "uid-2")
    assert waits(budget, "r3", "uid-3") == INTERVAL
    with budget.turn("shop", "uid-3"):
        pass
    for number in range(AT_ONCE):
        budget.forget("shop", str(number))
    kept = [value for name, value in vars(budget).items() if isinstance(value, dict) and name != "_busy_until"]
    assert kept
    assert not any(kept)


def test_edits_of_one_object_do_not_hold_up_another() -> None:
    clock = Clock()
    budget = AnswerBudget(clock)
    for number in range(AT_ONCE):
        admit(budget, f"q{number}", "evil")
    assert waits(budget, "evil", "evil") == INTERVAL
    assert waits(budget, "mine", "mine") == 2 * INTERVAL
    clock.now += INTERVAL
    assert waits(budget, "another", "evil") == 0
    # It was served, and is behind the other now.
    clock.now += INTERVAL
    assert waits(budget, "one more", "evil") > 0
    assert waits(budget, "mine", "mine") == 0


def rotated(check: str, text: int, *secrets: str) -> Question:
    """A comparison of Secrets after so many changes of one of them."""
    return Question(check, str(text), frozenset(secrets))


def test_rotations_of_secrets_that_are_compared_with_different_ones_wait_for_no_other() -> None:
    clock = Clock()
    budget = AnswerBudget(clock)
    for number in range(100):
        admit(budget, rotated(f"c{number}", 0, f"a-{number}/k", f"b-{number}/k"), str(number), was_answered=True)
    delays = [
        waits(budget, rotated(f"c{number}", 1, f"a-{number}/k", f"b-{number}/k"), str(number)) for number in range(100)
    ]
    assert delays == [0.0] * 100
    # They use nothing of the namespace's own limit for new checks.
    assert answered(budget, [f"new-{number}" for number in range(100)], "new", "shop") == AT_ONCE


def test_all_results_about_a_secret_are_limited_together() -> None:
    """Rotations of many Secrets that are compared with one, by as many objects, and new checks of it."""
    clock = Clock()
    budget = AnswerBudget(clock)
    for number in range(FREE_AFTER_START):
        admit(budget, rotated(f"c{number}", 0, f"a-{number}/k", "theirs/k"), str(number), was_answered=True)
    texts, total = itertools.count(1), 0
    for second in range(600):
        clock.now += 1
        number = second % FREE_AFTER_START
        total += answered(
            budget, [rotated(f"c{number}", next(texts), f"a-{number}/k", "theirs/k")], str(number), "shop"
        )
        asked = Question(f"new-{second}", secrets=frozenset(("theirs/k",)))
        total += answered(budget, [asked], f"new-{second % 7}", "shop")
    assert total <= AT_ONCE + 600 / INTERVAL


def guarded(found: ControllerHarness) -> None:
    """A server with a Secret that the attacker may not get."""

    async def answer(request: web.Request) -> web.Response | None:
        if request.path.endswith("/secrets/db"):
            return web.json_response({"metadata": {}, "data": {"password": "Q29ycmVjdC1ob3JzZS03"}})
        return refused(404, "not found") if "/secrets/" in request.path else None

    found.server.before = answer


def test_controller_answers_an_attacker_rarely_and_all_others_at_once() -> None:
    async def act() -> None:
        clock, seen = Clock(), list[str]()
        async with running_controller(clock=clock) as found:
            guarded(found)
            for number in range(3 * AT_ONCE):
                guess = configured(
                    {},
                    uid="evil",
                    generation=number + 1,
                    finalizers=[],
                    parameters=[secret(schema={"pattern": f"^x{number}"})],
                )
                if number:
                    guess["status"] = found.server.objects[KEY].get("status")
                    found.server.objects[KEY] = guess
                    found.deliver("MODIFIED", guess)
                else:
                    found.applied(guess)
                await found.server.until(_is_reported(found, number + 1))
                seen.append(found.reason)
            other = configured(
                {}, uid="mine", metadata={"namespace": "mine"}, parameters=[secret(schema={"pattern": "^C"})]
            )
            found.applied(other)
            key = Key("mine", KEY.name)
            await found.server.until(
                lambda: bool((found.server.objects[key].get("status") or {}).get("appliedGeneration"))
            )
            message = found.status["conditions"][0]["message"]
            assert "Those of this object are retried automatically" in message
            assert found.status["conditions"][0]["status"] == "Unknown"
            text = json.dumps([found.server.objects[KEY], found.server.events])
            assert TEXT not in text
            clock.now += INTERVAL + 1
            found.controller.requeue(KEY)
            await found.server.until(lambda: found.reason == "InvalidSpec")
            # A reconcile of the same object repeats a given answer.
            for _ in range(3):
                found.controller.requeue(KEY)
        assert seen == ["InvalidSpec"] * AT_ONCE + ["SecretCheckDelayed"] * 2 * AT_ONCE

    asyncio.run(act())


def _is_reported(found: ControllerHarness, generation: int) -> Callable[[], bool]:
    return lambda: found.status.get("observedGeneration") == generation


def test_each_secret_text_compared_by_a_rule_is_a_separate_question() -> None:
    mine = {"name": "mine", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "guess"}}}
    compared = document({}, parameters=[secret(), mine], rules=[{"rule": "config.password < config.mine"}])
    asked = {question(parse_spec(compared), {"password": TEXT, "mine": guess}) for guess in ("A", "B", "C")}
    assert len(asked) == 3
    # A rotation of a Secret that no rule compares is answered without delay.
    alone = document({}, parameters=[secret(), mine], rules=[{"rule": "size(config.password) > 3"}])
    assert len({question(parse_spec(alone), {"password": text, "mine": text}) for text in ("A", "B", "C")}) == 1


@pytest.mark.parametrize("given", [{"type": "integer"}, {"type": "number"}, {"type": "json"}])
def test_type_of_a_plain_value_is_part_of_the_question(given: Item) -> None:
    rule = [{"rule": "config.password > config.plain"}]
    asked = {
        question(parse_spec(document({}, parameters=[secret(), plain], rules=rule)), {"password": TEXT, "plain": "1"})
        for plain in ({"name": "plain", "value": "1"}, {"name": "plain", "value": "1", "schema": given})
    }
    assert len(asked) == 2


def test_each_rule_asks_about_its_own_texts() -> None:
    """A Secret of the attacker whose two texts are swapped is another question to each of two rules."""
    mine = [{"name": n, "valueFrom": {"secretKeyRef": {"name": "mine", "key": n}}} for n in ("a", "b")]
    rules = [{"rule": "config.password < config.a"}, {"rule": "config.password != config.b || true"}]
    spec = parse_spec(document({}, parameters=[secret(), *mine], rules=rules))
    texts = ({"a": "1", "b": "2"}, {"a": "2", "b": "1"})
    assert len({question(spec, {"password": TEXT, **given}) for given in texts}) == 2


@pytest.mark.parametrize("namespace", ["evil", "shop"])
def test_answer_costs_the_same_however_many_objects_wait(namespace: str) -> None:
    """The lock is held meanwhile, for all namespaces."""

    def calls(waiting: int) -> int:
        budget = AnswerBudget(Clock())
        for number in range(AT_ONCE + waiting):
            answered(budget, [f"q{number}"], uid=str(number))
        last = str(AT_ONCE + waiting - 1)
        return calls_of(lambda: answered(budget, ["new"], uid=last, namespace=namespace))

    assert calls(3000) == calls(100)

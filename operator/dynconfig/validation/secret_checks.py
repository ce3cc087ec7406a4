"""Validation of values from Secrets: the result is one bit for the whole object, and rate-limited for each namespace. Pure.

A user who may write an object chooses the checks and reads their result in status. With many results, or one that names the
failed check, a value could be guessed letter by letter. Only checks that are new in their namespace count against its limit;
repeated reconciles do not, nor do changes of a Secret. If a rule compares several Secrets, a change of one of them counts
against the limit of each of them, since a user who may write one chooses what the others are compared with.
"""

import hashlib
import json
import threading
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

from dynconfig.api.parameter import ParameterSpec, ValueSchema
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.errors import SecretCheckDelayed
from dynconfig.model.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.validation import rules, values
from dynconfig.validation.checking import Finding, Selection, findings_of

AT_ONCE = 10
"""Burst: the results that a namespace, or about a key of a Secret, are given without delay after a period without any."""
INTERVAL = 10.0
"""Seconds between further results."""
FREE_AFTER_START = 20
"""Objects whose first result about a key of a Secret uses no limit, if an earlier process gave one for the same generation."""
MOST_FREE = 20_000
"""Such results of a namespace, one for each key that is checked: eight bytes each."""
LONGEST_WAIT = 600.0
FEW_BUCKETS = 1000

_NO_CHECK = ValueSchema()

DOES_NOT_HOLD = (
    "spec: a value from a Secret does not match its schema or allowedPattern, or fails a rule. Details are not reported here; "
    "run `dynconfig plan` with permission to get these Secrets"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What an object asks about values from Secrets."""

    check: str
    """A digest of all checks, with the plain values that they use."""
    texts: str = ""
    """A digest of the texts of Secrets that rules compare with one another; empty if there are none."""
    secrets: frozenset[str] = frozenset()
    """The keys of Secrets that are checked."""


Admit = Callable[[Question], None]
"""Raise SecretCheckDelayed if these checks may not run now."""


def plain_faults(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> tuple[Finding, ...]:
    """Return all errors that do not depend on values of Secrets, and violations of SSM's fixed limits."""
    secret = _secrets(spec)
    without = {name: None if name in secret else value for name, value in known.items()}
    selection = Selection(without, [index for index, names in _rules(spec) if not names & secret])
    found = findings_of(spec, without, selection)
    return (*found.faults, *_of_secrets(spec, known, values.fixed_fault))


def secret_faults(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> tuple[Finding, ...]:
    """Return one generic error if any value of a Secret is invalid in an object without plain faults."""
    secret = _secrets(spec)
    selection = Selection(secret, [index for index, names in _rules(spec) if names & secret])
    found = findings_of(spec, known, selection)
    if not found.faults:
        return ()
    # White space is reported for every checked value, so it reveals nothing about the checks.
    spaces = _of_secrets(
        spec, known, lambda parameter, value: values.white_space(value) if _checks(parameter) else None
    )
    return (Finding(("spec",), DOES_NOT_HOLD), *spaces)


def question(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> Question | None:
    """Return what all checks of values from Secrets ask; None if there are no such checks."""
    secret, parameters = _secrets(spec), {parameter.name: parameter for parameter in spec.parameters}
    asked = [parameter for parameter in spec.parameters if parameter.secret_ref and _checks(parameter)]
    digests = _Digests(spec, known, secret)
    checks, texts = {digests.check(parameter.name) for parameter in asked}, set[str]()
    for index, names in _rules(spec):
        if not (compared := names & secret):
            continue
        # A rule may compare with a value that is not secret, and its type decides how.
        check = _digest((spec.value_rules[index].rule, digests.given(names)))
        checks.add(check)
        read = [parameters[name] for name in compared]
        asked += read
        if _is_comparison(read):
            texts.add(_digest((check, digests.texts(compared))))
    if not checks:
        return None
    refs = (parameter.secret_ref for parameter in asked)
    return Question(
        _digest(sorted(checks)),
        _digest(sorted(texts)) if texts else "",
        frozenset(f"{ref.name}/{ref.key}" for ref in refs if ref),
    )


class _Digests:
    """Digests of what rules read: of each check and each text once, since many rules may read many parameters."""

    def __init__(self, spec: DynamicConfigSpec, known: Mapping[str, str | None], secret: frozenset[str]) -> None:
        self._parameters = {parameter.name: parameter for parameter in spec.parameters}
        self._known = known
        self._secret = secret
        self._checks: dict[str, str] = {}
        self._sealed: dict[str, str] = {}
        self._given: dict[frozenset[str], str] = {}

    def check(self, name: str) -> str:
        """Return the digest of the checks of a parameter."""
        if name not in self._checks:
            self._checks[name] = _digest((json.dumps(_check(self._parameters[name]), sort_keys=True),))
        return self._checks[name]

    def given(self, names: frozenset[str]) -> str:
        """Return the digest of the parameters, their checks, and those of their values that are not secret."""
        if names not in self._given:
            self._given[names] = _digest(
                part
                for name in sorted(names)
                for part in (name, self.check(name), "" if name in self._secret else self._text(name))
            )
        return self._given[names]

    def texts(self, names: Iterable[str]) -> str:
        """Return the digest of the parameters and all their values."""
        return _digest(part for name in sorted(names) for part in (name, self._text(name)))

    def _text(self, name: str) -> str:
        if name not in self._sealed:
            self._sealed[name] = _digest((self._known[name] or "",))
        return self._sealed[name]


def _digest(parts: Iterable[str]) -> str:
    """Return a digest of texts, one by one: it differs if any of them does."""
    found = hashlib.sha256()
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        found.update(b"%d:" % len(encoded))
        found.update(encoded)
    return found.hexdigest()


def _is_comparison(parameters: Iterable[ParameterSpec]) -> bool:
    """Whether more than one text of Secrets is read."""
    return len({(ref.name, ref.key) for parameter in parameters if (ref := parameter.secret_ref)}) > 1


def _check(parameter: ParameterSpec) -> object:
    ref = parameter.secret_ref
    return [ref and [ref.name, ref.key], parameter.resolved_type, parameter.allowed_pattern, _shape(parameter)]


def _shape(parameter: ParameterSpec) -> object:
    return parameter.schema_.model_dump(mode="json", exclude_defaults=True) if parameter.schema_ else {}


def _checks(parameter: ParameterSpec) -> bool:
    return bool(parameter.allowed_pattern) or parameter.schema_ not in (None, _NO_CHECK)


def _secrets(spec: DynamicConfigSpec) -> frozenset[str]:
    return frozenset(parameter.name for parameter in spec.parameters if parameter.secret_ref)


def _rules(spec: DynamicConfigSpec) -> tuple[tuple[int, frozenset[str]], ...]:
    return tuple(enumerate(rules.parameters_of(spec))) if spec.value_rules else ()


def _of_secrets(
    spec: DynamicConfigSpec, known: Mapping[str, str | None], check: Callable[[ParameterSpec, str], str | None]
) -> Iterator[Finding]:
    for index, parameter in enumerate(spec.parameters):
        value = known[parameter.name]
        if parameter.secret_ref and value is not None and (text := check(parameter, value)):
            yield Finding(("spec", "parameters", index), f"parameter {parameter.name}: the value {text}")


@dataclass(frozen=True, slots=True)
class _Object:
    namespace: str
    uid: str


class _Waiting:
    """The objects that wait for a limit, in the order in which they came: edits of one object do not hold up others."""

    def __init__(self) -> None:
        self._numbers = count()
        self._of: dict[_Object, tuple[int, int]] = {}
        """The place of each object in the order, and the limit that it waits for."""
        self._by: dict[int, list[int]] = {}
        """Ascending places by limit."""

    def add(self, item: _Object, bucket: int) -> None:
        """Let an object wait for a limit; one that waits already keeps its place."""
        number = self.remove(item)
        self._of[item] = (number, bucket)
        insort(self._by.setdefault(bucket, []), number)

    def remove(self, item: _Object) -> int:
        """Remove an object; return its place, which is the last one if it did not wait."""
        if item not in self._of:
            return next(self._numbers)
        number, bucket = self._of.pop(item)
        places = self._by[bucket]
        del places[bisect_left(places, number)]
        if not places:
            del self._by[bucket]
        return number

    def before(self, item: _Object, bucket: int) -> int:
        """Return how many objects have waited longer for a limit."""
        places = self._by.get(bucket, ())
        return bisect_left(places, self._of[item][0]) if item in self._of else len(places)


class AnswerBudget:
    """The rate limit of each namespace, and of each key of a Secret. Thread-safe.

    Results of an object are kept until it is deleted, and its place in the queue until its turn ends without a delay. Not
    a TtlCache: results do not expire, and a limit counts results instead of keeping a value.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answered: dict[_Object, Question] = {}
        """Without their Secrets."""
        self._known: dict[str, Counter[Question]] = {}
        self._busy_until: dict[int, float] = {}
        """By fingerprint of a namespace, or of a key of a Secret in it."""
        self._free: dict[str, Fingerprints] = {}
        """By namespace: the key of a Secret of each result that used no limit, ascending."""
        self._most_buckets = FEW_BUCKETS
        self._waiting = _Waiting()

    @contextmanager
    def turn(self, namespace: str, uid: str, *, was_answered: bool = False) -> Iterator[Admit]:
        """Yield the function that records a result of an object. An object that is not delayed by it no longer waits.

        `was_answered`: according to status, an earlier operator process gave a result for the same generation.
        """
        item, is_delayed = _Object(namespace, uid), False
        try:
            yield partial(self._admit, item, was_answered)
        except SecretCheckDelayed:
            is_delayed = True
            raise
        finally:
            if not is_delayed:
                with self._lock:
                    self._waiting.remove(item)

    def forget(self, namespace: str, uid: str) -> None:
        """Remove the state of a deleted object."""
        with self._lock:
            self._drop(_Object(namespace, uid))
            self._waiting.remove(_Object(namespace, uid))

    def forget_namespace(self, namespace: str) -> None:
        """Remove what is known of a namespace without objects: an object that is created there has no earlier result."""
        with self._lock:
            self._free.pop(namespace, None)

    def _admit(self, item: _Object, was_answered: bool, asked: Question) -> None:
        """Record that an object gets a result now. Raises SecretCheckDelayed."""
        with self._lock:
            kept = Question(asked.check, asked.texts)
            known = self._known.get(item.namespace, Counter())
            if kept not in known and not (was_answered and self._is_free(item, asked.secrets)):
                is_new = all(asked.check != other.check for other in known)
                self._spend(item, asked.secrets, is_new_check=is_new)
            self._drop(item)
            self._answered[item] = kept
            self._known.setdefault(item.namespace, Counter())[kept] += 1

    def _is_free(self, item: _Object, secrets: Iterable[str]) -> bool:
        """Whether an earlier result is given once more, and count it: the texts may have changed meanwhile."""
        keys, free = fingerprints(secrets), self._free.get(item.namespace, fingerprints(()))
        if (
            item in self._answered
            or len(free) + len(keys) > MOST_FREE
            or any(bisect_right(free, key) - bisect_left(free, key) >= FREE_AFTER_START for key in keys)
        ):
            return False
        self._free[item.namespace] = array(free.typecode, sorted((*free, *keys)))
        return True

    def _spend(self, item: _Object, secrets: Iterable[str], *, is_new_check: bool) -> None:
        now = self._clock()
        # A changed text gives a result about the texts that are compared with it, and about nothing else in the namespace.
        buckets = [fingerprint(f"{item.namespace}/{secret}") for secret in secrets]
        if is_new_check:
            buckets.append(fingerprint(item.namespace))
        delay, bucket = max(
            (self._delay(bucket, now) + INTERVAL * self._waiting.before(item, bucket), bucket) for bucket in buckets
        )
        if delay > 0:
            self._waiting.add(item, bucket)
            raise SecretCheckDelayed(
                f"checks of values from Secrets have changed too often in namespace {item.namespace}, so nothing was applied. "
                "Those of this object are retried automatically",
                delay=min(delay, LONGEST_WAIT),
            )
        for bucket in buckets:
            self._busy_until[bucket] = max(self._busy_until.get(bucket, now), now) + INTERVAL
        if len(self._busy_until) > self._most_buckets:
            self._busy_until = {bucket: until for bucket, until in self._busy_until.items() if until > now}
            self._most_buckets = max(FEW_BUCKETS, 2 * len(self._busy_until))

    def _delay(self, bucket: int, now: float) -> float:
        """Return the seconds until the next result of a limit; it is available now if they are 0 or less."""
        return max(self._busy_until.get(bucket, now), now) - now - (AT_ONCE - 1) * INTERVAL

    def _drop(self, item: _Object) -> None:
        """Remove the previous result."""
        answered = self._answered.pop(item, None)
        if answered is None:
            return
        known = self._known[item.namespace]
        known[answered] -= 1
        if not known[answered]:
            del known[answered]
        if not known:
            del self._known[item.namespace]

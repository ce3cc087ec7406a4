"""Validation of values from Secrets: the result is one bit for the whole object, and rate-limited for each namespace. Pure.

A user who may write an object chooses the checks and reads their result in status. With many results, or one that names the
failed check, a value could be guessed letter by letter. Only checks that are new in their namespace count against the limit;
repeated reconciles do not, nor do changes of a Secret, unless a rule compares it with another one.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.errors import SecretCheckDelayed
from dynconfig.validation import rules, values
from dynconfig.validation.checking import Finding, Selection, findings_of

AT_ONCE = 10
"""Burst: the results that a namespace gets without delay after a period without any."""
INTERVAL = 10.0
"""Seconds between further results."""
LONGEST_WAIT = 600.0
FEW_BUCKETS = 1000

DOES_NOT_HOLD = (
    "spec: a value from a Secret does not match its schema or allowedPattern, or fails a rule. Details are not reported here; "
    "run `dynconfig plan` with permission to get these Secrets"
)

Admit = Callable[[str], None]
"""Raise SecretCheckDelayed if the checks with this digest may not run now."""


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


def digest(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> str | None:
    """Return a digest of all checks of values from Secrets; None if there are no such checks.

    The values count only where a rule compares several of them.
    """
    asked = sorted({json.dumps(item, sort_keys=True) for item in _asked(spec, known)})
    return hashlib.sha256("\n".join(asked).encode()).hexdigest() if asked else None


def _asked(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> Iterator[object]:
    secret, parameters = _secrets(spec), {parameter.name: parameter for parameter in spec.parameters}
    yield from (_question(parameter) for parameter in spec.parameters if parameter.secret_ref and _checks(parameter))
    for index, names in _rules(spec):
        if names & secret:
            # A rule may compare with a value that is not secret, and its type decides how.
            given = {name: [_question(parameters[name]), None if name in secret else known[name]] for name in names}
            compared = names & secret
            # If several Secrets are compared, whoever may write one of them chooses what the others are compared with.
            several = _is_comparison(parameters[name] for name in compared)
            sealed = {name: _sealed(known[name]) for name in compared} if several else {}
            yield [spec.value_rules[index].rule, given, sealed]


def _is_comparison(parameters: Iterable[ParameterSpec]) -> bool:
    """Whether more than one text of Secrets is read."""
    return len({(ref.name, ref.key) for parameter in parameters if (ref := parameter.secret_ref)}) > 1


def _sealed(value: str | None) -> str:
    return hashlib.sha256((value or "").encode()).hexdigest()


def _question(parameter: ParameterSpec) -> object:
    ref = parameter.secret_ref
    return [ref and [ref.name, ref.key], parameter.resolved_type, parameter.allowed_pattern, _shape(parameter)]


def _shape(parameter: ParameterSpec) -> object:
    return parameter.schema_.model_dump(mode="json", exclude_defaults=True) if parameter.schema_ else {}


def _checks(parameter: ParameterSpec) -> bool:
    return bool(parameter.allowed_pattern or _shape(parameter))


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


class AnswerBudget:
    """The rate limit of each namespace. The results of an object are kept until it is deleted. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answered: dict[_Object, str] = {}
        self._known: dict[str, Counter[str]] = {}
        self._busy_until: dict[str, float] = {}
        self._waiting: dict[str, dict[str, None]] = {}

    def admit(self, namespace: str, uid: str, digest: str, *, was_answered: bool = False) -> None:
        """Record that an object gets a result now. Raises SecretCheckDelayed.

        `was_answered`: according to status, an earlier operator process did so for the same generation.
        """
        with self._lock:
            item = _Object(namespace, uid)
            if digest not in self._known.get(namespace, ()) and not (was_answered and item not in self._answered):
                self._spend(item)
            self._drop(item)
            self._answered[item] = digest
            self._known.setdefault(namespace, Counter())[digest] += 1

    def forget(self, namespace: str, uid: str) -> None:
        """Remove the state of a deleted object."""
        with self._lock:
            self._drop(_Object(namespace, uid))

    def _spend(self, item: _Object) -> None:
        now = self._clock()
        busy = max(self._busy_until.get(item.namespace, now), now)
        over = busy - now - (AT_ONCE - 1) * INTERVAL
        if over > 0:
            waiting = self._waiting.setdefault(item.namespace, {})
            waiting.setdefault(item.uid)
            place = list(waiting).index(item.uid)
            raise SecretCheckDelayed(
                f"checks of values from Secrets have changed too often in namespace {item.namespace}, so nothing was applied. "
                "Those of this object are retried automatically",
                delay=min(over + place * INTERVAL, LONGEST_WAIT),
            )
        self._busy_until[item.namespace] = busy + INTERVAL
        if len(self._busy_until) > FEW_BUCKETS:
            self._busy_until = {name: until for name, until in self._busy_until.items() if until > now}

    def _drop(self, item: _Object) -> None:
        """Remove the previous result and the place in the queue."""
        waiting = self._waiting.get(item.namespace, {})
        waiting.pop(item.uid, None)
        if not waiting:
            self._waiting.pop(item.namespace, None)
        digest = self._answered.pop(item, None)
        if digest is None:
            return
        known = self._known[item.namespace]
        known[digest] -= 1
        if not known[digest]:
            del known[digest]
        if not known:
            del self._known[item.namespace]

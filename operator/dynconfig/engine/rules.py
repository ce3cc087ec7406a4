"""Checks the rules of an object: conditions over several of its values, evaluated for all of them together."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.spec import DynamicConfigSpec, ValueRule
from dynconfig.engine import deadline
from dynconfig.engine.typed import NotTyped, Typed, typed

if TYPE_CHECKING:
    from dynconfig.engine.cel import Rule
    from dynconfig.engine.cel_tree import Reading

MAX_WORK = 50_000_000
"""Characters looked at or made by all rules of one object: half a second, and as many bytes."""

_NOT_REACHED = (
    "was not evaluated, nor those after it, since the checks of this object take too long together; make those simpler "
    "that come before it"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to say of one rule, by its place in the list; a rule that holds is not spoken of."""

    index: int
    fault: str = ""
    unchecked: str = ""
    """Why it could not be evaluated though nothing is wrong with it."""


def verdicts(
    spec: DynamicConfigSpec,
    values: Mapping[str, str | None],
    wrong: Iterable[str],
    indexes: Iterable[int] | None = None,
) -> tuple[Verdict, ...]:
    """All that is to say of the rules, or of those at some indexes.

    A value is None where its source is not there; `wrong` names the parameters whose own fault is told already.
    """
    chosen = range(len(spec.value_rules)) if indexes is None else tuple(indexes)
    return tuple(_Check(spec, values, frozenset(wrong)).verdicts(chosen)) if chosen else ()


def parameters_of(spec: DynamicConfigSpec) -> tuple[frozenset[str], ...]:
    """For each rule, the names of the parameters whose values it is given; none for one that is wrong whatever they are."""
    from dynconfig.engine.cel import RuleFault, compiled

    declared = {parameter.name: None for parameter in spec.parameters}

    def names(rule: ValueRule) -> frozenset[str]:
        try:
            reading = compiled(rule.rule).reading
        except RuleFault:
            return frozenset()
        return frozenset() if _unknown(reading, declared) else frozenset(_given(reading, declared))

    return tuple(map(names, spec.value_rules))


def _unknown(reading: "Reading", declared: Collection[str]) -> list[str]:
    return sorted(name for name in reading.read - reading.asked_for if name not in declared)


def _given(reading: "Reading", declared: Iterable[str]) -> list[str]:
    return [name for name in declared if reading.is_open or name in reading.read or name in reading.asked_for]


class _Check:
    def __init__(self, spec: DynamicConfigSpec, values: Mapping[str, str | None], wrong: frozenset[str]) -> None:
        self._rules = spec.value_rules
        self._parameters = {parameter.name: parameter for parameter in spec.parameters}
        self._values = values
        self._wrong = wrong
        self._left = MAX_WORK

    def verdicts(self, indexes: Iterable[int]) -> Iterator[Verdict]:
        from dynconfig.engine.cel import RuleFault, compiled

        for index in indexes:
            rule = self._rules[index]
            try:
                deadline.remaining()
                unchecked = self._unchecked(rule, compiled(rule.rule))
            except deadline.DeadlineExceeded:
                yield Verdict(index, fault=_NOT_REACHED)
                return
            except (RuleFault, NotTyped) as fault:
                yield Verdict(index, fault=str(fault))
                continue
            if unchecked:
                yield Verdict(index, unchecked=unchecked)

    def _unchecked(self, said: ValueRule, rule: "Rule") -> str:
        """Evaluate a rule; the answer is why it could not be. Raises RuleFault for one that does not hold; DeadlineExceeded."""
        from dynconfig.engine.cel import RuleFault

        self._check_names(rule)
        rule.check_patterns()
        names = _given(rule.reading, self._parameters)
        missing = [name for name in names if self._values[name] is None]
        if missing:
            return f"it needs parameter {', '.join(missing[:3])}, whose value is not there"
        if self._wrong & set(names):
            return f"it needs parameter {', '.join(sorted(self._wrong & set(names))[:3])}, whose value is wrong"
        config = {name: _typed(self._parameters[name], self._values[name] or "") for name in names}
        self._left -= rule.work(config)
        if self._left < 0:
            raise RuleFault("may take too much work with these values; compare less, or put less together")
        if not rule.holds(config):
            raise RuleFault(f"does not hold: {said.message or said.rule}")
        return ""

    def _check_names(self, rule: "Rule") -> None:
        from dynconfig.engine.cel import RuleFault

        unknown = _unknown(rule.reading, self._parameters)
        if unknown:
            raise RuleFault(f"names parameter {', '.join(unknown[:3])}, which is not declared")


def _typed(parameter: ParameterSpec, value: str) -> Typed:
    try:
        return typed(parameter, value)
    except NotTyped as fault:
        raise NotTyped(f"cannot be evaluated: the value of parameter {parameter.name} {fault}") from None

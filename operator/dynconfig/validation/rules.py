"""Check the rules of an object: conditions over several of its values."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.spec import DynamicConfigSpec, ValueRule
from dynconfig.validation import deadline, loops
from dynconfig.validation.typed import NotTyped, Typed, typed

if TYPE_CHECKING:
    from dynconfig.validation.cel import Rule
    from dynconfig.validation.expression import Expression

MAX_WORK = 50_000_000
"""Maximum cost of all rules of one object, in characters read or created: about half a second and as many bytes."""

_NOT_REACHED = (
    "was not evaluated, and neither are the following rules: the checks of this object take too long in total; simplify "
    "the rules before it"
)


def _too_large(needed: int) -> str:
    limit = loops.MAX_BYTES // 2**20
    return (
        f"is too expensive with these values: it would take up to {-(-needed // 2**20)} MiB of memory, more than {limit}; "
        "use all or exists instead of map and filter, no + in macros, or shorter lists"
    )


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of one rule by its index. Rules that hold have no result."""

    index: int
    fault: str = ""
    unchecked: str = ""
    """Why a valid rule could not be evaluated."""


def evaluate(
    spec: DynamicConfigSpec,
    values: Mapping[str, str | None],
    wrong: Iterable[str],
    indexes: Iterable[int] | None = None,
) -> tuple[RuleResult, ...]:
    """Return the results of the rules, or of those at the given indexes.

    A value is None if its source does not exist; `wrong` names the parameters with errors that are reported already.
    """
    selected = range(len(spec.value_rules)) if indexes is None else tuple(indexes)
    return tuple(_Check(spec, values, frozenset(wrong)).results(selected)) if selected else ()


def parameters_of(spec: DynamicConfigSpec) -> tuple[frozenset[str], ...]:
    """Return the names of the parameters that each rule reads; none for a rule that is invalid regardless of values."""
    from dynconfig.validation.cel import RuleFault, compiled

    declared = {parameter.name: None for parameter in spec.parameters}

    def names(rule: ValueRule) -> frozenset[str]:
        try:
            shape = compiled(rule.rule).shape
        except RuleFault:
            return frozenset()
        return frozenset() if _unknown(shape, declared) else frozenset(_given(shape, declared))

    return tuple(map(names, spec.value_rules))


def _unknown(shape: "Expression", declared: Collection[str]) -> list[str]:
    return sorted(name for name in shape.read - shape.asked_for if name not in declared)


def _given(shape: "Expression", declared: Iterable[str]) -> list[str]:
    return [name for name in declared if shape.is_open or name in shape.read or name in shape.asked_for]


class _Check:
    def __init__(self, spec: DynamicConfigSpec, values: Mapping[str, str | None], wrong: frozenset[str]) -> None:
        self._rules = spec.value_rules
        self._parameters = {parameter.name: parameter for parameter in spec.parameters}
        self._values = values
        self._wrong = wrong
        self._left = MAX_WORK

    def results(self, indexes: Iterable[int]) -> Iterator[RuleResult]:
        from dynconfig.validation.cel import RuleFault, compiled

        for index in indexes:
            rule = self._rules[index]
            try:
                deadline.remaining()
                unchecked = self._unchecked(rule, compiled(rule.rule))
            except deadline.DeadlineExceeded:
                yield RuleResult(index, fault=_NOT_REACHED)
                return
            except (RuleFault, NotTyped) as fault:
                yield RuleResult(index, fault=str(fault))
                continue
            if unchecked:
                yield RuleResult(index, unchecked=unchecked)

    def _unchecked(self, spec: ValueRule, rule: "Rule") -> str:
        """Evaluate a rule; return why it could not be evaluated, or ''. Raises RuleFault if it is false; DeadlineExceeded."""
        from dynconfig.validation.cel import RuleFault

        self._check_names(rule)
        rule.check_patterns()
        names = _given(rule.shape, self._parameters)
        missing = [name for name in names if self._values[name] is None]
        if missing:
            return f"it needs parameter {', '.join(missing[:3])}, whose value is missing"
        if self._wrong & set(names):
            return f"it needs parameter {', '.join(sorted(self._wrong & set(names))[:3])}, whose value is invalid"
        config = {name: _typed(self._parameters[name], self._values[name] or "") for name in names}
        texts = {name: self._values[name] or "" for name in names}
        if (needed := rule.shape.memory(texts, config)) > loops.MAX_BYTES:
            raise RuleFault(_too_large(needed))
        self._left -= rule.shape.work(texts)
        if self._left < 0:
            raise RuleFault("is too expensive with these values; simplify it")
        if not rule.holds(config):
            raise RuleFault(f"failed: {spec.message or spec.rule}")
        return ""

    def _check_names(self, rule: "Rule") -> None:
        from dynconfig.validation.cel import RuleFault

        unknown = _unknown(rule.shape, self._parameters)
        if unknown:
            raise RuleFault(f"references parameter {', '.join(unknown[:3])}, which is not declared")


def _typed(parameter: ParameterSpec, value: str) -> Typed:
    try:
        return typed(parameter, value)
    except NotTyped as fault:
        raise NotTyped(f"cannot be evaluated: the value of parameter {parameter.name} {fault}") from None

"""Check the rules of an object: conditions over several of its values."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynconfig.api.spec import DynamicConfigSpec, ValueRule
from dynconfig.model.counting import counted
from dynconfig.validation import deadline, loops
from dynconfig.validation.text_size import TextSize
from dynconfig.validation.typed import NotTyped, Typed, form_of, size_of, typed

if TYPE_CHECKING:
    from dynconfig.validation.cel import Rule
    from dynconfig.validation.expression import Expression

MAX_WORK = 50_000_000
"""Maximum cost of all rules of one object, in characters read or created: about half a second and as many bytes."""
MAX_CONVERTED = 16 * 2**20
"""Maximum memory in bytes of all values that one rule reads, in Python and in the evaluator, by an upper bound."""

_TOO_MUCH_WORK = "is too expensive with these values; simplify it"

_NOT_REACHED = (
    "was not evaluated, and neither are the following rules: the checks of this object take too long in total; simplify "
    "the rules before it"
)


def _too_large(needed: int) -> str:
    return (
        f"is too expensive with these values: it would take {_more_than(needed, loops.MAX_BYTES)}; "
        "use all or exists instead of map and filter, no + in macros, or shorter lists"
    )


def _too_much_read(needed: int, count: int) -> str:
    return (
        f"is too expensive with these values: the {counted(count, 'value')} that it reads would take "
        f"{_more_than(needed, MAX_CONVERTED)}; name fewer parameters in it instead of the whole config, or shorten the values"
    )


def _more_than(needed: int, limit: int) -> str:
    return f"up to {-(-needed // 2**20)} MiB of memory, more than {limit // 2**20}"


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


@dataclass(frozen=True, slots=True)
class _Text:
    """A text and what decides how it is converted: the same for all parameters with the same value and type."""

    form: str
    text: str


@dataclass(frozen=True, slots=True)
class _Value:
    """The converted text, and the most items of a list or map in it."""

    typed: Typed
    width: int


class _Check:
    def __init__(self, spec: DynamicConfigSpec, values: Mapping[str, str | None], wrong: frozenset[str]) -> None:
        self._rules = spec.value_rules
        self._parameters = {parameter.name: parameter for parameter in spec.parameters}
        self._values = values
        self._wrong = wrong
        self._left = MAX_WORK
        self._sizes: dict[_Text, TextSize] = {}
        self._converted: dict[_Text, _Value] = {}
        self._bytes = 0
        """Of the converted values."""

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
        texts = {name: self._text(name) for name in names}
        sizes = {name: self._size(text) for name, text in texts.items()}
        self._convert(texts, sizes)
        values = {name: self._converted[text] for name, text in texts.items()}
        if (
            needed := rule.shape.memory(sizes, {name: value.width for name, value in values.items()})
        ) > loops.MAX_BYTES:
            raise RuleFault(_too_large(needed))
        self._spend(rule.shape.work(sizes))
        config = {name: value.typed for name, value in values.items()}
        if not rule.holds(config):
            raise RuleFault(f"failed: {spec.message or spec.rule}")
        return ""

    def _check_names(self, rule: "Rule") -> None:
        from dynconfig.validation.cel import RuleFault

        unknown = _unknown(rule.shape, self._parameters)
        if unknown:
            raise RuleFault(f"references parameter {', '.join(unknown[:3])}, which is not declared")

    def _text(self, name: str) -> _Text:
        return _Text(form_of(self._parameters[name]), self._values[name] or "")

    def _size(self, text: _Text) -> TextSize:
        if text not in self._sizes:
            self._sizes[text] = size_of(text.form, text.text)
        return self._sizes[text]

    def _spend(self, work: int) -> None:
        from dynconfig.validation.cel import RuleFault

        self._left -= work
        if self._left < 0:
            raise RuleFault(_TOO_MUCH_WORK)

    def _convert(self, texts: Mapping[str, _Text], sizes: Mapping[str, TextSize]) -> None:
        """Convert the values that a rule reads, each text once. Raises RuleFault, NotTyped, DeadlineExceeded.

        The bounds are checked first. Values of earlier rules are dropped if there is no room for them.
        """
        from dynconfig.validation.cel import RuleFault

        read = {text: sizes[name] for name, text in texts.items()}
        needed = sum(size.python_bytes for size in read.values()) + sum(size.cel_bytes for size in sizes.values())
        if needed > MAX_CONVERTED:
            raise RuleFault(_too_much_read(needed, len(texts)))
        new = {text: size for text, size in read.items() if text not in self._converted}
        if self._bytes + sum(size.python_bytes for size in new.values()) > MAX_CONVERTED:
            self._converted, self._bytes, new = {}, 0, read
        self._spend(sum(size.python_work for size in new.values()) + sum(size.cel_work for size in sizes.values()))
        for name, text in texts.items():
            if text not in self._converted:
                deadline.remaining()
                self._converted[text] = _converted(name, text)
                self._bytes += sizes[name].python_bytes


def _converted(name: str, text: _Text) -> _Value:
    try:
        value = typed(text.form, text.text)
    except NotTyped as fault:
        raise NotTyped(f"cannot be evaluated: the value of parameter {name} {fault}") from None
    return _Value(value, loops.width(value))

"""The tokens of a compiled CEL expression: the parameters and functions that it uses, and a bound of its cost by its shape.

The grammar is https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynconfig.validation import loops, patterns
from dynconfig.validation.loops import MAX_LOOPS, Created, Loop, Operand
from dynconfig.validation.text_size import TextSize

VARIABLE = "config"
MACROS = frozenset(("all", "exists", "exists_one", "filter", "map"))
_TEXTS = frozenset(("size", "contains", "startsWith", "endsWith", "matches"))
_CONVERSIONS = frozenset(("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"))
_DATES = ("Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "FullYear", "Month")
TIMES = frozenset(f"get{part}" for part in (*_DATES, "Hours", "Milliseconds", "Minutes", "Seconds"))
"""Without time zone argument, since that would be read as a file path."""
ALLOWED = _TEXTS | _CONVERSIONS | TIMES
"""Other functions of the CEL library open files, leak memory, or compile a pattern on each call."""

# The evaluator compiles a pattern on each call. Its cost was measured, with 10 ns for one unit of work, and rounded up.
_PER_CHARACTER = 200
_PER_CHARACTER_OF_CLASSES = 5_000
_PER_REPETITION = 4
_PER_INSTRUCTION = 500
# RE2 processes a part of its program for each character; all of it if it has flushed its state cache.
_PER_STEP = 3
_MAX_REPETITIONS = 1_000
# An operation, a literal or a call takes up to 80 ns.
_PER_TOKEN = 8
# The search for a text within another one compares this many characters in one unit of work.
_COMPARED = 1_000
_CLASSES = re.compile(r"\\[pP]|\(\?[a-zU]*i")
_REPETITION = re.compile(r"\{(\d{1,4})?(?:,(\d{1,4})?)?\}")

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n\r]*)
    |(?P<text>(?:[bB]?[rR](?:'''(?s:.*?)'''|\"\"\"(?s:.*?)\"\"\"|'[^'\n\r]*'|"[^"\n\r]*")
        |[bB]?(?:'''(?s:\\.|[^\\])*?'''|\"\"\"(?s:\\.|[^\\])*?\"\"\"|'(?:\\.|[^\\'\n\r])*'|"(?:\\.|[^\\"\n\r])*")))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\n\r]*`)
    |(?P<number>\.?[0-9][0-9A-Za-z]*)
    |(?P<other>(?s:.))""",
    re.VERBOSE,
)


class ExpressionFault(Exception):
    """A call or form that is not allowed in rules. The message is to be appended to the rule's name."""


@dataclass(slots=True)
class Expression:
    """The parts of an expression that decide what it reads and how much work it is."""

    read: set[str] = field(default_factory=set)
    """Names of the parameters that it reads."""
    asked_for: set[str] = field(default_factory=set)
    """Parameters whose presence it tests with has() or in; they need not be declared."""
    is_open: bool = False
    """Whether it reads parameters whose names are only known during evaluation."""
    patterns: list[tuple[int, str]] = field(default_factory=list)
    """The literals of regular expressions, each after the number of macros around it."""
    references: list[tuple[int, str | None]] = field(default_factory=list)
    """The uses of parameters, each after the number of macros around it. None: of the whole map."""
    variables: list[int] = field(default_factory=list)
    """The number of macros around each use of a macro's variable."""
    searches: list[int] = field(default_factory=list)
    """The number of macros around each call of contains."""
    tokens: list[int] = field(default_factory=list)
    """The number of macros around each token."""
    loops: list[Loop] = field(default_factory=list)
    """The macros, each after those around it."""
    created: list[Created] = field(default_factory=list)
    operands: list[Operand] = field(default_factory=list)
    sums: int = 0
    commas: int = 0
    length: int = 0

    def work(self, values: Mapping[str, TextSize]) -> int:
        """Return an upper bound of the cost of one evaluation with these values, in characters read or created.

        A macro is only applied to a value, a part of one, or a list of them. So its variable is never larger than these, its
        iterations are at most their commas, and all items of one list are together no larger than the list.
        """
        sizes: dict[str | None, int] = {name: value.compared + 1 for name, value in values.items()}
        sizes[None] = sum(sizes.values())
        largest = self.length + sum(sizes.get(name, 0) for _, name in self.references)
        items = 1 + max(self.commas, len(values), *(value.commas for value in values.values()), 0)
        has_references_in_loops = any(depth for depth, _ in self.references)

        def times(depth: int) -> int:
            return min(MAX_LOOPS, int(items**depth))

        def text(depth: int) -> int:
            return largest * times(depth if has_references_in_loops or not depth else depth - 1)

        cost = _PER_TOKEN * sum(map(times, self.tokens)) + self.length
        cost += sum(times(depth) * sizes.get(name, 0) for depth, name in self.references)
        cost += sum(times(depth - 1) * largest for depth in self.variables if depth)
        cost += sum(text(depth) * (1 + largest // _COMPARED) for depth in self.searches)
        for depth, pattern in self.patterns:
            program = patterns.instructions(pattern)
            cost += times(depth) * _compiling(pattern, program) + _PER_STEP * program * text(depth)
        return cost * (1 + self.sums)

    def memory(self, values: Mapping[str, TextSize], widths: Mapping[str, int]) -> int:
        """Return an upper bound of the bytes that one evaluation allocates, beside the values themselves.

        widths: of each value, the most items of a list or map in it.
        """
        return loops.memory(self.loops, self.created, self.operands, values, widths)


def _compiling(pattern: str, instructions: int) -> int:
    repetitions = 1
    for counts in _REPETITION.findall(pattern):
        repetitions = min(_MAX_REPETITIONS, repetitions * max(1, *(int(count or 0) for count in counts)))
    each = _PER_CHARACTER_OF_CLASSES if _CLASSES.search(pattern) else _PER_CHARACTER
    return len(pattern) * (each + _PER_REPETITION * repetitions) + _PER_INSTRUCTION * instructions


@dataclass(frozen=True, slots=True)
class _Bracket:
    start: int
    form: str
    """The name of the function or macro, or the bracket itself, or `index`."""
    was_plain: bool
    """Whether the operand before it was plain."""
    loop: int | None = None
    """The macro's number."""


class _Scan:
    """One pass over the tokens. A plain operand is a value, a part of one, or a list of values."""

    def __init__(self, text: str, literal: Callable[[str], object]) -> None:
        self._tokens = [(found.lastgroup, found[0]) for found in _TOKEN.finditer(text) if found.lastgroup != "space"]
        self._literal = literal
        self._open: list[_Bracket] = []
        self._openings: dict[int, int] = {}
        """The opening bracket of each closing one."""
        self._is_plain = False
        self.found = Expression(length=len(text))

    def run(self) -> Expression:
        for at, (kind, text) in enumerate(self._tokens):
            self.found.tokens.append(self._depth)
            if kind == "name":
                self._name(at, text)
            elif text in ("(", "[", "{"):
                self._opens(at, text)
            elif text in (")", "]", "}"):
                self._closes(at)
            elif text == "." and not self._ends_operand(at - 1):
                raise ExpressionFault("has a name that begins with a dot, which is not allowed in rules")
            if text in ("[", "{", ",", ":", "+"):
                self.found.created.append(Created(self._loop, self._is_sum(at)))
            elif kind == "text":
                self.found.operands.append(Operand(self._loop, text_bytes=len(text.encode())))
            self.found.sums += text == "+"
            self.found.commas += text == ","
        return self.found

    @property
    def _depth(self) -> int:
        return sum(bracket.form in MACROS for bracket in self._open)

    def _is_sum(self, at: int) -> bool:
        """Whether this may be a sum of texts or lists; a number can only be added to a number."""
        return self._text(at) == "+" and "number" not in (self._kind(at - 1), self._kind(at + 1))

    def _is_declared(self, at: int) -> bool:
        """Whether a macro declares its variable here."""
        return self._text(at + 1) == "," and bool(self._open) and self._open[-1].start == at - 1

    @property
    def _loop(self) -> int | None:
        """The innermost macro here."""
        return next((bracket.loop for bracket in reversed(self._open) if bracket.loop is not None), None)

    def _begin_loop(self, at: int, form: str) -> int:
        """Record the macro whose bracket opens here."""
        loop = Loop(form, self._text(at + 1), self._loop)
        begin = self._operand(at - 3)
        if self._text(begin) == "[":
            inner = range(begin, self._list_end(begin, at))
            loop.commas = sum(self._text(part) == "," for part in inner)
            loop.text_bytes = sum(len(self._text(part).encode()) for part in inner) + loops.ITEM_BYTES * (
                loop.commas + 1
            )
            loop.keys = [self._named(part) for part in inner if self._is_config(part)]
        elif self._is_config(begin):
            loop.keys = [self._named(begin)]
            loop.is_whole = begin == at - 3
        else:
            loop.binder = self._binder(self._text(begin), loop.parent)
            loop.keys = [None] if loop.binder is None else []
        self.found.loops.append(loop)
        return len(self.found.loops) - 1

    def _operand(self, last: int) -> int:
        """Return where the operand begins that ends at this token."""
        at = last
        while at >= 0:
            if at in self._openings:
                at = self._openings[at]
                if self._text(at) == "[" and not self._ends_operand(at - 1):
                    return at
                at -= 1
            elif self._text(at - 1) == ".":
                at -= 2
            else:
                return at
        return 0

    def _list_end(self, begin: int, limit: int) -> int:
        return next((end for end, start in self._openings.items() if start == begin), limit)

    def _is_config(self, at: int) -> bool:
        return self._kind(at) == "name" and self._text(at) == VARIABLE and self._text(at - 1) != "."

    def _named(self, at: int) -> str | None:
        """The parameter that a use of the variable reads; None for any."""
        if self._text(at + 1) == "." and self._text(at + 3) != "(":
            return self._text(at + 2).strip("`")
        return self._key(at + 2) if (self._text(at + 1), self._text(at + 3)) == ("[", "]") else None

    def _binder(self, variable: str, loop: int | None) -> int | None:
        while loop is not None and self.found.loops[loop].variable != variable:
            loop = self.found.loops[loop].parent
        return loop

    def _text(self, at: int) -> str:
        return self._tokens[at][1] if 0 <= at < len(self._tokens) else ""

    def _kind(self, at: int) -> str | None:
        return self._tokens[at][0] if 0 <= at < len(self._tokens) else None

    def _ends_operand(self, at: int) -> bool:
        return self._text(at) in (")", "]", "}") or (self._kind(at) != "other" and self._text(at) not in ("", "in"))

    def _name(self, at: int, name: str) -> None:
        following = self._text(at + 1)
        if following == "{":
            raise ExpressionFault(f"calls {name}{{}}, which is not allowed in rules")
        if following == "(":
            self._call(name)
        elif self._text(at - 1) != "." and name != "in":
            self._is_plain = True
            if name == VARIABLE:
                self._reference(at)
            else:
                self.found.variables.append(self._depth)
                if not self._is_declared(at):
                    binder = self._binder(name, self._loop)
                    self.found.operands.append(Operand(self._loop, binder=binder))

    def _call(self, name: str) -> None:
        if name not in ALLOWED | MACROS | {"has"}:
            named = ", ".join(sorted(ALLOWED))
            raise ExpressionFault(f"calls {name}, which is not allowed in rules; use operators, macros, {named}")
        if name in MACROS and not self._is_plain:
            raise ExpressionFault(f"applies {name} to a computed value; apply it to a value or a list of values")
        if name == "contains":
            self.found.searches.append(self._depth)

    def _reference(self, at: int) -> None:
        found, depth = self.found, self._depth
        following, last = self._text(at + 1), self._text(at + 3)
        if following == "," and self._open and self._open[-1].start == at - 1 and self._open[-1].form in MACROS:
            raise ExpressionFault(f"declares a variable {VARIABLE}; rename it")
        if following not in (".", "[") and self._text(at - 1) == "in" and (key := self._key(at - 2)) is not None:
            found.asked_for.add(key)
            return
        key = self._named(at)
        if key is None:
            found.is_open = True
        elif following == "." and last == ")" and (self._text(at - 2), self._text(at - 1)) == ("has", "("):
            found.asked_for.add(key)
        else:
            found.read.add(key)
        found.references.append((depth, key))
        found.operands.append(Operand(self._loop, key))

    def _key(self, at: int) -> str | None:
        key = self._literal(self._text(at)) if self._kind(at) == "text" else None
        return key if isinstance(key, str) else None

    def _opens(self, at: int, bracket: str) -> None:
        form = bracket
        if bracket == "(" and self._kind(at - 1) == "name" and self._ends_operand(at - 1):
            form = self._text(at - 1)
        elif bracket == "[" and self._ends_operand(at - 1):
            form = "index"
        loop = self._begin_loop(at, form) if form in MACROS else None
        self._open.append(_Bracket(at, form, self._is_plain, loop))

    def _closes(self, at: int) -> None:
        bracket = self._open.pop()
        start, form = bracket.start, bracket.form
        self._openings[at] = start
        if form == "[":
            self._is_plain = all(self._is_of_values(inner) for inner in range(start + 1, at))
        else:
            self._is_plain = bracket.was_plain and form in ("index", "filter")
        if form in TIMES and at > start + 1:
            raise ExpressionFault(f"calls {form} with a time zone, which is not allowed in rules; use {form}() (UTC)")
        if form == "matches":
            is_last = self._text(at - 2) == "," or start == at - 2
            pattern = self._literal(self._text(at - 1)) if is_last and self._kind(at - 1) == "text" else None
            if not isinstance(pattern, str):
                wrong = "calls matches with a computed pattern, which is not allowed in rules; use a string literal"
                raise ExpressionFault(wrong)
            self.found.patterns.append((self._depth, pattern))

    def _is_of_values(self, at: int) -> bool:
        """Whether a token of a list is no operation, and no variable of a macro."""
        is_variable = self._kind(at) == "name" and self._text(at - 1) != "." and self._text(at) != VARIABLE
        return not is_variable and self._text(at) not in ("(", "+")


def scanned(text: str, literal: Callable[[str], object]) -> Expression:
    """Return the parts of an expression that the CEL library compiles. Raises ExpressionFault.

    literal: returns the value of a string or bytes literal.
    """
    return _Scan(text, literal).run()

"""Parses the rule of a composite alarm and evaluates it from the states of other alarms. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from dynconfig_lab.aws.answers import AwsError

MOST_CHILDREN = 100
MOST_ELEMENTS = 500

_TOKEN = re.compile(
    r"\s*(?:(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(|(?P<mark>[()]))", re.IGNORECASE
)
_NAME = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^()"\s][^()"]*?))\s*\)')

States = Callable[[str], str]


@dataclass(frozen=True)
class Rule:
    """A parsed rule."""

    children: tuple[str, ...]
    """The names of the alarms, each once, as they come."""
    holds: Callable[[States], bool]
    """Whether it is true when the alarms have these states."""


def parse(text: str) -> Rule:
    """Parse a rule. Raises AwsError if AWS rejects it."""
    if not text or text.strip() != text:
        raise _invalid("AlarmRule must not contain leading or trailing whitespace or be null")
    reader = _Reader(text)
    holds = reader.disjunction()
    reader.expect_end()
    children = tuple(dict.fromkeys(reader.names))
    if len(children) > MOST_CHILDREN:
        raise _invalid(f"AlarmRule must not contain more than {MOST_CHILDREN} alarms")
    if reader.elements > MOST_ELEMENTS:
        raise _invalid(f"AlarmRule must not contain more than {MOST_ELEMENTS} elements")
    return Rule(children, holds)


def name_of(reference: str) -> str:
    """The name of an alarm that is referred to by name or by ARN."""
    return reference.partition(":alarm:")[2] if reference.startswith("arn:") else reference


@dataclass
class _Reader:
    text: str
    position: int = 0
    names: list[str] = field(default_factory=list)
    elements: int = 0

    def disjunction(self) -> Callable[[States], bool]:
        parts = [self._conjunction()]
        while self._took("OR"):
            parts.append(self._conjunction())
        return lambda states: any(part(states) for part in parts)

    def expect_end(self) -> None:
        if self.text[self.position :].strip():
            raise self._wrong()

    def _conjunction(self) -> Callable[[States], bool]:
        parts = [self._negation()]
        while self._took("AND"):
            parts.append(self._negation())
        return lambda states: all(part(states) for part in parts)

    def _negation(self) -> Callable[[States], bool]:
        if self._took("NOT"):
            inner = self._negation()
            return lambda states: not inner(states)
        return self._element()

    def _element(self) -> Callable[[States], bool]:
        found = _TOKEN.match(self.text, self.position)
        if found is None:
            raise self._wrong()
        word, state, mark = ((found[name] or "").upper() for name in ("word", "state", "mark"))
        self.position = found.end()
        self.elements += 1
        if word in ("TRUE", "FALSE"):
            return lambda _states: word == "TRUE"
        if state:
            name = self._name()
            return lambda states: states(name) == state
        if mark == "(":
            return self._grouped()
        raise self._wrong()

    def _grouped(self) -> Callable[[States], bool]:
        inner = self.disjunction()
        found = _TOKEN.match(self.text, self.position)
        if found is None or found["mark"] != ")":
            raise self._wrong()
        self.position = found.end()
        return inner

    def _name(self) -> str:
        found = _NAME.match(self.text, self.position)
        if found is None:
            raise self._wrong()
        self.position = found.end()
        quoted = found["quoted"]
        reference = found["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        self.names.append(name_of(reference))
        return self.names[-1]

    def _took(self, word: str) -> bool:
        found = _TOKEN.match(self.text, self.position)
        if found is None or (found["word"] or "").upper() != word:
            return False
        self.position = found.end()
        return True

    def _wrong(self) -> AwsError:
        rest = self.text[self.position :].strip()
        return _invalid(f"AlarmRule is invalid at position {self.position}: {rest[:40] or 'unexpected end'}")


def decide(rule: Rule, states: States) -> str:
    """The state of the composite alarm."""
    return "ALARM" if rule.holds(states) else "OK"


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationError", text)

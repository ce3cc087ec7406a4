"""All that is wrong with an object, each with its place in the document, and without any value."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dynconfig.api.parameter import KeyRef, ParameterSpec
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine import deadline, json_schema, patterns, rules, values
from dynconfig.engine.declaration import ReadSource, Source
from dynconfig.engine.secret import UnknownText
from dynconfig.engine.wording import at, reworded

SECONDS = 2.0
"""For the patterns, JSON Schemas and rules of one object, all together; the last that was begun is brought to its own end."""

Path = tuple[str | int, ...]
"""Keys and indexes from the root of the document."""

_NOT_REACHED = (
    f"not checked, nor what comes after it, since patterns and JSON Schemas of this object take longer than {SECONDS:g} s "
    "together; make it simpler, and those that come before it"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell about a place in the document."""

    path: Path
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in a document."""

    faults: tuple[Finding, ...] = ()
    unchecked: tuple[Finding, ...] = ()
    """Rules that could not be evaluated, because a value is not there; patterns that only AWS knows."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is checked where not all is."""

    parameters: Collection[str]
    """Names."""
    rules: Collection[int]
    """Places in the list."""


def findings_of(spec: DynamicConfigSpec, known: Mapping[str, str | None], chosen: Chosen | None = None) -> Findings:
    """All that is wrong with the values, each by itself and all together; None is a value that is not there."""
    known = {name: None if isinstance(value, UnknownText) else value for name, value in known.items()}
    faults: list[Finding] = list(_patterns_of_secrets(spec))
    unchecked: list[Finding] = []
    wrong: set[str] = set()
    with deadline.limit(SECONDS):
        for index, parameter in enumerate(spec.parameters):
            if chosen and parameter.name not in chosen.parameters:
                continue
            try:
                deadline.remaining()
                found = of_parameter(index, parameter, known[parameter.name])
                unchecked += _unchecked_pattern(index, parameter)
            except deadline.DeadlineExceeded:
                return Findings((_of_parameter(index, parameter, _NOT_REACHED), *faults))
            faults += found
            wrong |= {parameter.name} if found else set()
        verdicts = rules.verdicts(spec, known, wrong, chosen.rules if chosen else None)
    faults += [_of_rule(verdict.index, verdict.fault) for verdict in verdicts if verdict.fault]
    unchecked += [_of_rule(verdict.index, verdict.unchecked) for verdict in verdicts if verdict.unchecked]
    return Findings(tuple(faults), tuple(unchecked))


def of_parameter(index: int, parameter: ParameterSpec, value: str | None) -> list[Finding]:
    """What is wrong with one parameter by itself; its value is None if it is not there. Raises DeadlineExceeded."""
    return [_of_parameter(index, parameter, text) for text in _faults(parameter, value)]


def told(error: ValidationError, document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What does not fit the models, with the field as it stands in the document."""
    return tuple(
        Finding(
            ("spec", *_place(problem["loc"], document)),
            f"{_field(_place(problem['loc'], document), document)}: {reworded(problem, document)}",
        )
        for problem in error.errors(include_input=False)
    )


def _place(location: Path, document: Mapping[str, Any]) -> Path:
    """Where a problem is in the document: that of a key is where the key is.

    https://docs.pydantic.dev/latest/errors/errors/
    """
    if location[-1:] != ("[key]",):
        return location
    parent = at(document, location[:-1])
    return location if isinstance(parent, Mapping) and "[key]" in parent else location[:-1]


def value_of(parameter: ParameterSpec, read: ReadSource) -> str | None:
    """The value of a parameter, or None where its source is not there."""
    source = source_of(parameter)
    return parameter.value if source is None else read(source)


def source_of(parameter: ParameterSpec) -> Source | None:
    """The Secret's or ConfigMap's key that the value comes from."""

    def of(kind: str, ref: KeyRef) -> Source:
        return Source(kind, ref.name, ref.key)

    if parameter.secret_ref:
        return of("Secret", parameter.secret_ref)
    return of("ConfigMap", parameter.config_map_ref) if parameter.config_map_ref else None


def _of_parameter(index: int, parameter: ParameterSpec, text: str) -> Finding:
    return Finding(("spec", "parameters", index), f"parameter {parameter.name}: {text}")


def _unchecked_pattern(index: int, parameter: ParameterSpec) -> Iterator[Finding]:
    if parameter.allowed_pattern and (why := values.unchecked_pattern(parameter.allowed_pattern)):
        yield _of_parameter(index, parameter, f"allowedPattern {why}")


def _patterns_of_secrets(spec: DynamicConfigSpec) -> Iterator[Finding]:
    """AWS reports which parameter does not match: a second pattern would be a second answer about the same text.

    A pattern that RE2 takes may mean something else to AWS: so RE2's own answer comes first, and is not the last.
    """
    known: dict[tuple[str, str], str] = {}
    for index, parameter in enumerate(spec.parameters):
        ref, pattern = parameter.secret_ref, parameter.allowed_pattern
        if ref and pattern and known.setdefault((ref.name, ref.key), pattern) != pattern:
            told = f"allowedPattern differs from that of another parameter with key {ref.key} of Secret {ref.name}"
            yield _of_parameter(index, parameter, f"{told}; declare one pattern for all of them")


def _of_rule(index: int, text: str) -> Finding:
    return Finding(("spec", "rules", index), f"spec.rules[{index}]: {text}")


def _faults(parameter: ParameterSpec, value: str | None) -> list[str]:
    """What is wrong with patterns and JSON Schema, or else with the value, as far as it is known."""
    found = _schema_faults(parameter)
    if found or value is None:
        return found
    fault = values.fault(parameter, value) or _json_fault(parameter, value)
    return [f"the value {fault}"] if fault else []


def _schema_faults(parameter: ParameterSpec) -> list[str]:
    schema = parameter.schema_
    checks: list[tuple[str, Callable[[], str | None]]] = []
    if parameter.allowed_pattern:
        checks.append(("allowedPattern", lambda: values.allowed_pattern_fault(parameter.allowed_pattern)))
    if schema and (pattern := schema.pattern):
        checks.append(("schema.pattern", lambda: patterns.fault(pattern)))
    if schema and (json := schema.json_schema) is not None:
        checks.append(("schema.jsonSchema:", lambda: json_schema.schema_fault(json)))
    found = ((field, check()) for field, check in checks)
    return [f"{field} {fault}" for field, fault in found if fault]


def _json_fault(parameter: ParameterSpec, value: str) -> str | None:
    if parameter.schema_ is None or parameter.schema_.json_schema is None:
        return None
    return json_schema.fault(parameter.schema_.json_schema, value)


def _field(location: tuple[int | str, ...], document: Mapping[str, Any]) -> str:
    """The field as a path in the document, a parameter by its name; what lies in a JSON Schema is not told apart."""
    parts: list[str] = ["spec"]
    spec = document.get("spec")
    listed = spec.get("parameters") if isinstance(spec, Mapping) else None
    for index, part in enumerate(location):
        if isinstance(part, int) and location[:1] == ("parameters",) and index == 1 and isinstance(listed, list):
            parts[-1] += f"[{_name(listed[part], part)}]"
        elif isinstance(part, int):
            parts[-1] += f"[{part}]"
        else:
            parts.append(part)
        if part == "jsonSchema":
            break
    return ".".join(parts)


def _name(listed: object, index: int) -> object:
    return listed.get("name", index) if isinstance(listed, Mapping) else index

"""Validation of an object: each error has its path in the document, and no error contains a value."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dynconfig.api.model import Model
from dynconfig.api.parameter import KeyRef, ParameterSpec
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.declaration import ReadSource, Source
from dynconfig.model.secret import UnknownText
from dynconfig.validation import deadline, json_schema, patterns, rules, values
from dynconfig.validation.messages import at, validation_message

SECONDS = 2.0
"""CPU time limit for all patterns, JSON Schemas and rules of one object. A check that has begun is not interrupted."""

Path = tuple[str | int, ...]
"""Keys and indexes from the root of the document."""

_NOT_REACHED = (
    f"not checked, and neither are the following parameters: patterns and JSON Schemas of this object take longer than "
    f"{SECONDS:g} s in total; simplify this one or those before it"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A message about a path in the document."""

    path: Path
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings in a document."""

    faults: tuple[Finding, ...] = ()
    unchecked: tuple[Finding, ...] = ()
    """Rules that could not be evaluated because a value is missing, and patterns that only AWS can check."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The parameters and rules to check."""

    parameters: Collection[str]
    """Names."""
    rules: Collection[int]
    """Indexes in the list."""


def findings_of(
    spec: DynamicConfigSpec, known: Mapping[str, str | None], selection: Selection | None = None
) -> Findings:
    """Return all errors in the values and the rules over them. A value of None is missing."""
    known = {name: None if isinstance(value, UnknownText) else value for name, value in known.items()}
    faults: list[Finding] = list(_patterns_of_secrets(spec))
    unchecked: list[Finding] = []
    wrong: set[str] = set()
    with deadline.limit(SECONDS):
        for index, parameter in enumerate(spec.parameters):
            if selection and parameter.name not in selection.parameters:
                continue
            try:
                deadline.remaining()
                found = of_parameter(index, parameter, known[parameter.name])
                unchecked += _unchecked_pattern(index, parameter)
            except deadline.DeadlineExceeded:
                return Findings((_of_parameter(index, parameter, _NOT_REACHED), *faults))
            faults += found
            wrong |= {parameter.name} if found else set()
        results = rules.evaluate(spec, known, wrong, selection.rules if selection else None)
    faults += [_of_rule(result.index, result.fault) for result in results if result.fault]
    unchecked += [_of_rule(result.index, result.unchecked) for result in results if result.unchecked]
    return Findings(tuple(faults), tuple(unchecked))


def of_parameter(index: int, parameter: ParameterSpec, value: str | None) -> list[Finding]:
    """Return the errors of one parameter. Its value is None if it is missing. Raises DeadlineExceeded."""
    return [_of_parameter(index, parameter, text) for text in _faults(parameter, value)]


def validation_findings(
    error: ValidationError, document: Mapping[str, Any], model: type[Model] = DynamicConfigSpec
) -> tuple[Finding, ...]:
    """Return the errors of the model of a spec, with the fields as in the document."""
    return tuple(
        Finding(
            ("spec", *_place(problem["loc"], document)),
            f"{_field(_place(problem['loc'], document), document)}: {validation_message(problem, document, model)}",
        )
        for problem in error.errors(include_input=False)
    )


def _place(location: Path, document: Mapping[str, Any]) -> Path:
    """Return the path of an error in the document. The path of an invalid key is that of the key.

    https://docs.pydantic.dev/latest/errors/errors/
    """
    if location[-1:] != ("[key]",):
        return location
    parent = at(document, location[:-1])
    return location if isinstance(parent, Mapping) and "[key]" in parent else location[:-1]


def value_of(parameter: ParameterSpec, read: ReadSource) -> str | None:
    """Return the value of a parameter, or None if its source does not exist."""
    source = source_of(parameter)
    return parameter.value if source is None else read(source)


def source_of(parameter: ParameterSpec) -> Source | None:
    """Return the Secret or ConfigMap key that the value comes from, or None."""

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
    """Reject different patterns for the same Secret key.

    AWS reports which parameter does not match, so each pattern would reveal one more fact about the same text. RE2 may interpret
    a pattern differently than AWS, so the local check does not prevent this.
    """
    known: dict[tuple[str, str], str] = {}
    for index, parameter in enumerate(spec.parameters):
        ref, pattern = parameter.secret_ref, parameter.allowed_pattern
        if ref and pattern and known.setdefault((ref.name, ref.key), pattern) != pattern:
            message = f"allowedPattern differs from that of another parameter with key {ref.key} of Secret {ref.name}"
            yield _of_parameter(index, parameter, f"{message}; declare one pattern for all of them")


def _of_rule(index: int, text: str) -> Finding:
    return Finding(("spec", "rules", index), f"spec.rules[{index}]: {text}")


def _faults(parameter: ParameterSpec, value: str | None) -> list[str]:
    """Return the errors in patterns and JSON Schema or, without any, in the value if it is known."""
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
    """Return the field as a path in the document, with names of parameters. Paths within a JSON Schema are cut off."""
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

"""Find all errors in a document in one pass; an error only hides those that follow from it. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from dynconfig.api.alarms import region_of
from dynconfig.api.model import FIELDS_ALONE, broken_rules
from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.spec import REGION, DynamicConfigSpec
from dynconfig.model.declaration import ReadSource
from dynconfig.validation import checking, deadline, schedules
from dynconfig.validation.checking import SECONDS, Finding, Findings

# Reported by `_repeated` with the name and its line.
_REPEATED = "parameters must not repeat a name"


RegionFault = Callable[[str], str]
"""Return why a region is not allowed; empty if it is."""


def findings(document: Mapping[str, Any], read: ReadSource, region_fault: RegionFault = lambda _region: "") -> Findings:
    """Return all errors in a document that can be found if some sources cannot be read."""
    found = _of_models(document, read)
    texts = (finding for finding in found.faults if not finding.text.endswith(_REPEATED))
    return Findings(tuple(dict.fromkeys((*texts, *_beyond_models(document, region_fault)))), found.unchecked)


def parameters(document: Mapping[str, Any]) -> Iterator[tuple[int, ParameterSpec]]:
    """Yield the valid parameters with their indexes, whatever is wrong with others."""
    for index, item in enumerate(_listed(document)):
        try:
            yield index, ParameterSpec.model_validate(item)
        except ValidationError:
            continue


def _of_models(document: Mapping[str, Any], read: ReadSource) -> Findings:
    try:
        spec = DynamicConfigSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        faults = checking.validation_findings(error, document)
        return Findings((*faults, *_together(document, error), *_values(document, read)))
    return checking.findings_of(spec, {item.name: checking.value_of(item, read) for item in spec.parameters})


def _values(document: Mapping[str, Any], read: ReadSource) -> Iterator[Finding]:
    """Yield the errors in the values of valid parameters."""
    with deadline.limit(SECONDS):
        for index, parameter in parameters(document):
            try:
                deadline.remaining()
                found = checking.of_parameter(index, parameter, checking.value_of(parameter, read))
            except deadline.DeadlineExceeded:
                return
            yield from found


def _together(document: Mapping[str, Any], error: ValidationError) -> Sequence[Finding]:
    """Return the broken rules that do not need an invalid field."""
    spec = document.get("spec")
    problems = error.errors(include_input=False)
    if not isinstance(spec, Mapping) or any(not problem["loc"] for problem in problems):
        return ()
    unreadable = {index for index, _ in enumerate(_listed(document))} - {index for index, _ in parameters(document)}
    wrong = {problem["loc"][0] for problem in problems} - {"parameters"}
    fields = DynamicConfigSpec.model_fields.items()
    unread = {name for name, field in fields if wrong & {name, field.alias}}
    kept = {name: value for name, value in spec.items() if name not in wrong}
    listed = [item for index, item in enumerate(_listed(document)) if index not in unreadable]
    try:
        readable = DynamicConfigSpec.model_validate(
            {"path": "/any", **kept, "parameters": listed}, context=FIELDS_ALONE
        )
    except ValidationError:
        # Too many parameters, which is reported already.
        return ()
    return [Finding(("spec",), f"spec: {message}") for message in broken_rules(readable, unread)]


def _beyond_models(document: Mapping[str, Any], region_fault: RegionFault) -> Iterator[Finding]:
    """Yield errors that are only tolerated in stored objects, and what AWS would reject later."""
    yield from _repeated(document)
    yield from _dots(document)
    yield from _schedule(document)
    yield from _region(document, region_fault)
    yield from _topics(document, region_fault)


def _repeated(document: Mapping[str, Any]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, name in _names(document):
        if name in seen:
            path = ("spec", "parameters", index, "name")
            yield Finding(path, f"parameter {name}: the name is declared twice; remove or rename one")
        seen.setdefault(name, index)


def _dots(document: Mapping[str, Any]) -> Iterator[Finding]:
    message = "must not have a level that is only . or .."
    path = _spec(document).get("path")
    if isinstance(path, str) and _has_dots(path):
        yield Finding(("spec", "path"), f"spec.path: {message}")
    for index, name in _names(document):
        if _has_dots(name):
            yield Finding(("spec", "parameters", index, "name"), f"parameter {name}: the name {message}")


def _has_dots(path: str) -> bool:
    return bool({".", ".."} & set(path.split("/")))


def _schedule(document: Mapping[str, Any]) -> Iterator[Finding]:
    function = _spec(document).get("function")
    triggers = function.get("triggers") if isinstance(function, Mapping) else None
    text = triggers.get("schedule") if isinstance(triggers, Mapping) else None
    if isinstance(text, str) and (fault := schedules.fault(text)):
        path = "function", "triggers", "schedule"
        yield Finding(("spec", *path), f"spec.{'.'.join(path)}: {fault}")


def _region(document: Mapping[str, Any], region_fault: RegionFault) -> Iterator[Finding]:
    region = _spec(document).get("region")
    # The model reports an invalid format.
    if isinstance(region, str) and re.fullmatch(REGION, region) and (fault := region_fault(region)):
        yield Finding(("spec", "region"), f"spec.region: {fault}; name another one, or none for the operator's own")


def _topics(document: Mapping[str, Any], region_fault: RegionFault) -> Iterator[Finding]:
    alarms = _spec(document).get("alarms")
    topics = alarms.get("notify") if isinstance(alarms, Mapping) else None
    regions = [region_of(topic) for topic in topics if _is_arn(topic)] if isinstance(topics, list) else []
    if len(set(regions)) > 1 and not _spec(document).get("region"):
        message = (
            f"topics of {', '.join(sorted(set(regions)))}: CloudWatch only notifies topics in the region of the object"
        )
        yield Finding(("spec", "alarms", "notify"), f"spec.alarms.notify: {message}")
        return
    for index, region in enumerate(regions):
        if not _spec(document).get("region") and (fault := region_fault(region)):
            yield Finding(("spec", "alarms", "notify", index), f"spec.alarms.notify[{index}]: {fault}; correct the ARN")


def _is_arn(topic: object) -> bool:
    return isinstance(topic, str) and topic.count(":") >= 5


def _names(document: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for index, item in enumerate(_listed(document)):
        name = item.get("name") if isinstance(item, Mapping) else None
        if isinstance(name, str):
            yield index, name


def _listed(document: Mapping[str, Any]) -> list[Any]:
    listed = _spec(document).get("parameters")
    return listed if isinstance(listed, list) else []


def _spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = document.get("spec")
    return spec if isinstance(spec, Mapping) else {}

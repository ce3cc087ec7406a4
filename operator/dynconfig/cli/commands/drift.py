"""`dynconfig drift`."""

from collections.abc import Iterator
from typing import Any

import typer

from dynconfig.cli import options, subjects
from dynconfig.cli.failures import CHANGES, FAILED
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.engine.counting import agreeing, counted
from dynconfig.engine.describe import difference
from dynconfig.engine.deviation import Deviation, deviations
from dynconfig.engine.field_diff import ABSENT, EMPTY, parts
from dynconfig.engine.window import brief
from dynconfig.planning import Planned, Unplanned, title

HEADINGS = ("OBJECT", "RESOURCE", "FIELD", "DECLARED", "OBSERVED", "WHY")


def command(
    *,
    name: options.Names = None,
    file: options.Files = None,
    namespace: options.Namespace = None,
    everywhere: options.Everywhere = False,
    output: options.Format = Output.TEXT,
    offline: options.Offline = False,
) -> None:
    """Show what was changed in AWS behind the back of the declaration; nothing is written.

    Without a file: all objects of a namespace, or those that are named.

    Exit code 0: no drift; 2: drift; 1: it cannot be told.

    Example: dynconfig drift -A

    Example: dynconfig drift -f manifests/examples/myapp.yaml --offline -o json
    """
    found = subjects.chosen(file, name, namespace, offline=offline, everywhere=everywhere).plans()
    told = [(planned, _deviations(planned)) for planned in found if isinstance(planned, Planned)]
    failed = [planned for planned in found if isinstance(planned, Unplanned)]
    if output is Output.JSON:
        errors = [{**options.about(planned.document), "error": str(planned.error)} for planned in failed]
        options.print_json([*(_document(*pair) for pair in told), *errors])
    else:
        _show(told, len(failed))
        for planned in failed:
            Terminal.err().failure(f"{title(planned.document)}: {planned.error}")
    drifted = any(deviation.is_drift for _, listed in told for deviation in listed)
    raise typer.Exit(FAILED if failed else CHANGES if drifted else 0)


def _deviations(planned: Planned) -> list[Deviation]:
    return list(deviations(planned.plan, planned.declaration, is_known=planned.live is not None))


def _document(planned: Planned, listed: list[Deviation]) -> dict[str, Any]:
    drift = [_fields(deviation) for deviation in listed if deviation.is_drift]
    waiting = [_fields(deviation) for deviation in listed if not deviation.is_drift]
    unknown = {"notCompared": list(planned.not_compared)} if planned.not_compared else {}
    return {**options.about(planned.document), "drift": drift, "notAppliedYet": waiting, **unknown}


def _fields(deviation: Deviation) -> dict[str, Any]:
    found = {
        "resource": deviation.resource,
        **difference(deviation.field, deviation.declared, deviation.observed),
    }
    return {**found, "lastModifiedBy": deviation.by} if deviation.by else found


def _show(told: list[tuple[Planned, list[Deviation]]], failed: int) -> None:
    out = Terminal.out()
    rows = [(row, deviation) for planned, listed in told for deviation in listed for row in _rows(planned, deviation)]
    if rows:
        out.table(HEADINGS, [row for row, _ in rows], ["red" if each.is_drift else "dim" for _, each in rows])
    all_found = [deviation for _, listed in told for deviation in listed]
    drift = sum(deviation.is_drift for deviation in all_found)
    later = len(all_found) - drift
    found = [f"{counted(drift, 'field')} changed in AWS"] if told else []
    waiting = [f"{later} {agreeing(later, 'waits', 'wait')} for the operator"] if later else []
    unknown = [f"{failed} could not be looked at"] if failed else []
    secrets = sum(len(planned.unknown) for planned, _ in told)
    unknown += [f"{counted(secrets, 'value')} not compared, because the Secret is not known here"] if secrets else []
    values = sum(len(planned.unreadable) for planned, _ in told)
    unknown += [f"{counted(values, 'value')} not compared, because AWS does not decrypt it here"] if values else []
    out.line(f"{counted(len(told) + failed, 'object')}: {'; '.join([*found, *waiting, *unknown])}.")


def _rows(planned: Planned, deviation: Deviation) -> Iterator[tuple[str, ...]]:
    """One row, or one for each member of JSON that differs."""
    changed = f"changed by {deviation.by}" if deviation.by else "changed in AWS"
    why = changed if deviation.is_drift else "not applied yet"
    for field, declared, observed in _texts(deviation):
        told = brief(declared, observed)
        yield title(planned.document), deviation.resource, field, told.declared, told.observed, why


def _texts(deviation: Deviation) -> Iterator[tuple[str, str, str]]:
    found = parts(deviation.observed, deviation.declared)
    for part in found:
        declared, observed = (ABSENT if text is None else text for text in (part.after, part.before))
        yield f"{deviation.field}{part.joint}", declared, observed
    if not found:
        yield deviation.field, deviation.declared or EMPTY, deviation.observed or EMPTY

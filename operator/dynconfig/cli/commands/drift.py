"""`dynconfig drift`."""

from typing import Any

import typer

from dynconfig.cli import options, subjects
from dynconfig.cli.failures import CHANGES, FAILED
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal, counted
from dynconfig.engine.describe import EMPTY
from dynconfig.engine.deviation import Deviation, deviations
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
    return {**options.about(planned.document), "drift": drift, "notAppliedYet": waiting}


def _fields(deviation: Deviation) -> dict[str, str]:
    found = {
        "resource": deviation.resource,
        "field": deviation.field,
        "declared": deviation.declared,
        "observed": deviation.observed,
    }
    return {**found, "lastModifiedBy": deviation.by} if deviation.by else found


def _show(told: list[tuple[Planned, list[Deviation]]], failed: int) -> None:
    out = Terminal.out()
    rows = [(_row(planned, deviation), deviation.is_drift) for planned, listed in told for deviation in listed]
    if rows:
        out.table(HEADINGS, [row for row, _ in rows], ["red" if is_drift else "dim" for _, is_drift in rows])
    drift = sum(is_drift for _, is_drift in rows)
    found = [f"{counted(drift, 'field')} changed in AWS"] if told else []
    waiting = [f"{len(rows) - drift} wait for the operator"] if drift < len(rows) else []
    unknown = [f"{failed} could not be looked at"] if failed else []
    out.line(f"{counted(len(told) + failed, 'object')}: {'; '.join([*found, *waiting, *unknown])}.")


def _row(planned: Planned, deviation: Deviation) -> tuple[str, ...]:
    why = f"changed by {deviation.by}" if deviation.by else "changed in AWS"
    return (
        title(planned.document),
        deviation.resource,
        deviation.field,
        deviation.declared or EMPTY,
        deviation.observed or EMPTY,
        why if deviation.is_drift else "not applied yet",
    )

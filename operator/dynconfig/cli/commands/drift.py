"""`dynconfig drift`."""

from collections.abc import Iterator
from typing import Any

import typer

from dynconfig.cli import options
from dynconfig.cli.describe import difference
from dynconfig.cli.failures import CHANGES, FAILED
from dynconfig.cli.field_diff import ABSENT, EMPTY, parts
from dynconfig.cli.options import Output
from dynconfig.cli.out_of_sync import OutOfSyncField, out_of_sync_fields
from dynconfig.cli.planning import PlanFailure, Planned, title, validate_hint
from dynconfig.cli.targets import select_targets
from dynconfig.cli.terminal import Terminal
from dynconfig.model.counting import agreeing, counted
from dynconfig.model.window import brief

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
    """Show changes made in AWS outside of Kubernetes; writes nothing.

    Without a file: all objects of the namespace, or the selected ones.

    Exit code 0: no drift; 2: drift; 1: error.

    Example: dynconfig drift -A

    Example: dynconfig drift -f manifests/examples/myapp.yaml --offline -o json
    """
    found = select_targets(file, name, namespace, offline=offline, everywhere=everywhere).plans()
    plans = [(planned, _out_of_sync_fields(planned)) for planned in found if isinstance(planned, Planned)]
    failed = [planned for planned in found if isinstance(planned, PlanFailure)]
    if output is Output.JSON:
        errors = [{**options.about(planned.document), "error": str(planned.error)} for planned in failed]
        options.print_json([*(_document(*pair) for pair in plans), *errors])
    else:
        _show(plans, len(failed))
        for message in (message for planned in failed for message in planned.messages):
            Terminal.err().failure(message)
        if hint := validate_hint(file, failed):
            Terminal.err().line(hint)
    drifted = any(entry.is_drift for _, listed in plans for entry in listed)
    raise typer.Exit(FAILED if failed else CHANGES if drifted else 0)


def _out_of_sync_fields(planned: Planned) -> list[OutOfSyncField]:
    return list(out_of_sync_fields(planned.plan, planned.declaration, is_known=planned.live is not None))


def _document(planned: Planned, listed: list[OutOfSyncField]) -> dict[str, Any]:
    drift = [_fields(entry) for entry in listed if entry.is_drift]
    waiting = [_fields(entry) for entry in listed if not entry.is_drift]
    unknown = {"notCompared": list(planned.not_compared)} if planned.not_compared else {}
    return {**options.about(planned.document), "drift": drift, "notAppliedYet": waiting, **unknown}


def _fields(entry: OutOfSyncField) -> dict[str, Any]:
    found = {
        "resource": entry.resource,
        **difference(entry.field, entry.declared, entry.observed),
    }
    return {**found, "lastModifiedBy": entry.by} if entry.by else found


def _show(plans: list[tuple[Planned, list[OutOfSyncField]]], failed: int) -> None:
    out = Terminal.out()
    rows = [(row, entry) for planned, listed in plans for entry in listed for row in _rows(planned, entry)]
    if rows:
        out.table(HEADINGS, [row for row, _ in rows], ["red" if each.is_drift else "dim" for _, each in rows])
    all_found = [entry for _, listed in plans for entry in listed]
    drift = sum(entry.is_drift for entry in all_found)
    later = len(all_found) - drift
    found = [f"{counted(drift, 'field')} changed in AWS"] if plans else []
    waiting = [f"{later} {agreeing(later, 'is', 'are')} not applied yet"] if later else []
    unknown = [f"{failed} could not be checked"] if failed else []
    secrets = sum(len(planned.unknown) for planned, _ in plans)
    unknown += (
        [f"{counted(secrets, 'value')} not compared, because the Secret is not available here"] if secrets else []
    )
    values = sum(len(planned.unreadable) for planned, _ in plans)
    unknown += [f"{counted(values, 'value')} not compared, because it cannot be decrypted here"] if values else []
    out.line(f"{counted(len(plans) + failed, 'object')}: {'; '.join([*found, *waiting, *unknown])}.")


def _rows(planned: Planned, entry: OutOfSyncField) -> Iterator[tuple[str, ...]]:
    """Yield one row, or one for each member of a JSON value that differs."""
    changed = f"changed by {entry.by}" if entry.by else "changed in AWS"
    why = changed if entry.is_drift else "not applied yet"
    for field, declared, observed in _texts(entry):
        short = brief(declared, observed)
        yield title(planned.document), entry.resource, field, short.declared, short.observed, why


def _texts(entry: OutOfSyncField) -> Iterator[tuple[str, str, str]]:
    found = parts(entry.observed, entry.declared)
    for part in found:
        declared, observed = (ABSENT if text is None else text for text in (part.after, part.before))
        yield f"{entry.field}{part.joint}", declared, observed
    if not found:
        yield entry.field, entry.declared or EMPTY, entry.observed or EMPTY

"""`dynconfig plan`."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from dynconfig import planning
from dynconfig.aws.quota import rate
from dynconfig.cli import options, parting, subjects
from dynconfig.cli.failures import CHANGES, FAILED
from dynconfig.cli.options import Output
from dynconfig.cli.subjects import Subjects
from dynconfig.cli.terminal import Terminal
from dynconfig.engine import describe, managers
from dynconfig.engine.standing import unattended
from dynconfig.engine.write_estimate import WriteEstimate, estimate_writes
from dynconfig.planning import Planned, Unplanned

_STYLES = {"+": "green", "~": "yellow", "-": "red", "=": "cyan", ".": "dim", "!": "red", " ": "dim"}


def command(
    *,
    name: options.Names = None,
    file: options.Files = None,
    namespace: options.Namespace = None,
    output: options.Format = Output.TEXT,
    offline: options.Offline = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="What deleting the objects would do: what goes, what stays, what blocks.")
    ] = False,
) -> None:
    """Show what applying manifests would change in AWS; nothing is written.

    Without a file: what the operator would do about objects in the cluster.

    Exit code 0: nothing to do; 2: there are changes; 1: an error, or something blocks them.

    Example: dynconfig plan -f manifests/examples/myapp.yaml

    Example: dynconfig plan -n shop myapp --delete
    """
    asked = subjects.chosen(file, name, namespace, offline=offline)
    found = asked.plans(deleting=delete)
    if output is Output.JSON:
        options.print_json([_document(planned, asked, deleting=delete) for planned in found])
    else:
        for planned in found:
            _show(planned, asked, deleting=delete)
    raise typer.Exit(_code(found))


def _code(found: list[Planned | Unplanned]) -> int:
    if any(isinstance(planned, Unplanned) or planned.assessment.is_stopped for planned in found):
        return FAILED
    return CHANGES if any(isinstance(planned, Planned) and _writes(planned) for planned in found) else 0


def _writes(planned: Planned) -> bool:
    """Whether anything is written now; a deletion that waits is one all the same."""
    return bool(planned.plan.steps if planned.declaration.deleting else planned.assessment.writes)


def _document(planned: Planned | Unplanned, asked: Subjects, *, deleting: bool) -> dict[str, Any]:
    about = options.about(planned.document)
    if isinstance(planned, Unplanned):
        return {**about, "error": str(planned.error)}
    about["region"] = planned.declaration.place.region
    if deleting:
        return {**about, **parting.document(planned)}
    estimate = _write_estimate(planned, asked)
    return {
        **about,
        **({"rolledBack": planned.declaration.generation} if planned.declaration.undone else {}),
        **describe.document(planned.assessment),
        **({"notCompared": list(planned.not_compared)} if planned.not_compared else {}),
        "putParameterCalls": estimate.puts,
        "seconds": round(estimate.seconds, 1),
    }


def _show(planned: Planned | Unplanned, asked: Subjects, *, deleting: bool) -> None:
    out, title = Terminal.out(), planning.title(planned.document)
    if isinstance(planned, Unplanned):
        _show_error(planned, title)
        return
    out.line(f"{out.styled(title, 'bold')} {planned.declaration.path} in {planned.declaration.place.region}")
    if deleting:
        parting.show(out, planned)
        return
    if planned.declaration.undone:
        generation = planned.declaration.generation
        out.line(f"Generation {generation} was rolled back; its stable revision stands until spec changes.", "yellow")
    for sign, text in describe.lines(planned.plan):
        out.wrapped(f"      {text}" if sign == " " else f"  {sign} {text}", _STYLES[sign])
    out.line(describe.summary(planned.assessment))
    for text in _remarks(planned):
        out.wrapped(text, "yellow")
    if planned.assessment.blocked:
        Terminal.err().failure(f"{title}: {planned.assessment.blocked}")
        return
    estimate = _write_estimate(planned, asked)
    if estimate.puts:
        out.line(estimate.message)


def _show_error(planned: Unplanned, title: str) -> None:
    Terminal.err().failure(f"{title}: {planned.error}")
    for text in _owned_elsewhere(planned):
        Terminal.out().wrapped(text, "yellow")


def _remarks(planned: Planned) -> Iterator[str]:
    """What has to be known beside the steps."""
    if planned.unknown:
        yield f"Not compared, because the Secret is not known here: {', '.join(planned.unknown)}."
    if planned.unreadable:
        yield (
            f"Not compared, because the value in AWS cannot be decrypted here: {', '.join(planned.unreadable)}. "
            "The operator writes it if the Secret has changed; check the KMS key and kms:Decrypt to compare it."
        )
    refused = {item["resource"]: item["message"] for item in _status(planned).get("refused") or ()}
    for step in planned.plan.steps:
        if step.resource.title in refused:
            yield f"The operator tried this before, and it was refused: {refused[step.resource.title]}"
    if planned.live and (text := unattended(planned.live, time.time())):
        yield f"warning: {planning.title(planned.document)}: {text}"
    yield from _owned_elsewhere(planned)


def _status(planned: Planned) -> dict[str, Any]:
    return (planned.live or {}).get("status") or {}


def _owned_elsewhere(planned: Planned | Unplanned) -> Iterator[str]:
    for text in managers.owned_elsewhere(planned.document, planned.live or {"metadata": {}}):
        yield f"warning: {text}"


def _write_estimate(planned: Planned, asked: Subjects) -> WriteEstimate:
    return estimate_writes(planned.plan, rate("ssm.PutParameter", asked.settings.quota) or 1.0)

"""`dynconfig plan`."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from dynconfig.aws.quota import rate
from dynconfig.cli import deletion_plan, describe, managers, options, planning
from dynconfig.cli.failures import CHANGES, FAILED
from dynconfig.cli.object_status import missing_operator
from dynconfig.cli.options import Output
from dynconfig.cli.planning import PlanFailure, Planned
from dynconfig.cli.targets import Targets, select_targets
from dynconfig.cli.terminal import Terminal
from dynconfig.cli.write_estimate import WriteEstimate, estimate_writes

_STYLES = {"+": "green", "~": "yellow", "-": "red", "=": "cyan", ".": "dim", "!": "red", " ": "dim"}


def command(
    *,
    name: options.Names = None,
    file: options.Files = None,
    namespace: options.Namespace = None,
    output: options.Format = Output.TEXT,
    offline: options.Offline = False,
    delete: Annotated[
        bool,
        typer.Option("--delete", help="Plan the deletion of the objects: what is removed or kept, and what blocks it."),
    ] = False,
) -> None:
    """Show what applying manifests would change in AWS; writes nothing.

    Without a file: what the operator would do for objects in the cluster.

    Exit code 0: no changes; 2: changes; 1: error, or changes are blocked.

    Example: dynconfig plan -f manifests/examples/myapp.yaml

    Example: dynconfig plan -n shop myapp --delete
    """
    targets = select_targets(file, name, namespace, offline=offline)
    found = targets.plans(deleting=delete)
    if output is Output.JSON:
        options.print_json([_document(planned, targets, deleting=delete) for planned in found])
    else:
        for planned in found:
            _show(planned, targets, deleting=delete)
        if hint := planning.validate_hint(file, found):
            Terminal.err().line(hint)
    raise typer.Exit(_code(found))


def _code(found: list[Planned | PlanFailure]) -> int:
    if any(isinstance(planned, PlanFailure) or planned.assessment.is_stopped for planned in found):
        return FAILED
    return CHANGES if any(isinstance(planned, Planned) and _writes(planned) for planned in found) else 0


def _writes(planned: Planned) -> bool:
    """Whether the plan writes anything; a delayed deletion counts."""
    return bool(planned.plan.steps if planned.declaration.deleting else planned.assessment.writes)


def _document(planned: Planned | PlanFailure, targets: Targets, *, deleting: bool) -> dict[str, Any]:
    about = options.about(planned.document)
    if isinstance(planned, PlanFailure):
        return {**about, "error": str(planned.error)}
    place = planned.declaration.place
    about["region"] = place.region
    if place.target:
        about |= {"target": place.target.name, "account": place.target.account}
    if deleting:
        return {**about, **deletion_plan.document(planned)}
    estimate = _estimate(planned, targets)
    return {
        **about,
        **({"rolledBack": planned.declaration.generation} if planned.declaration.rolled_back else {}),
        **describe.document(planned.assessment),
        **({"notCompared": list(planned.not_compared)} if planned.not_compared else {}),
        "putParameterCalls": estimate.puts,
        "seconds": round(estimate.seconds, 1),
    }


def _show(planned: Planned | PlanFailure, targets: Targets, *, deleting: bool) -> None:
    out, title = Terminal.out(), planning.title(planned.document)
    if isinstance(planned, PlanFailure):
        _show_error(planned)
        return
    out.line(f"{out.styled(title, 'bold')} {planned.declaration.path} in {planned.declaration.place}")
    if deleting:
        deletion_plan.show(out, planned)
        return
    if planned.declaration.rolled_back:
        generation = planned.declaration.generation
        out.line(
            f"Generation {generation} was rolled back; the stable revision stays in effect until spec changes.",
            "yellow",
        )
    for sign, text in describe.lines(planned.plan, rolled_back=planned.declaration.rolled_back):
        out.wrapped(f"      {text}" if sign == " " else f"  {sign} {text}", _STYLES[sign])
    out.line(describe.summary(planned.assessment))
    for text in _remarks(planned):
        out.wrapped(text, "yellow")
    if planned.assessment.blocked:
        Terminal.err().failure(f"{title}: {planned.assessment.blocked}")
        return
    estimate = _estimate(planned, targets)
    if estimate.puts:
        out.line(estimate.message)


def _show_error(planned: PlanFailure) -> None:
    for message in planned.messages:
        Terminal.err().failure(message)
    for text in _owned_elsewhere(planned):
        Terminal.out().wrapped(text, "yellow")


def _remarks(planned: Planned) -> Iterator[str]:
    """Yield remarks that are printed after the steps."""
    if planned.unknown:
        yield f"Not compared, because the Secret is not available here: {', '.join(planned.unknown)}."
    if planned.unreadable:
        yield (
            f"Not compared, because the value in AWS cannot be decrypted here: {', '.join(planned.unreadable)}. "
            "The operator updates it if the Secret has changed; to compare it, check the KMS key and kms:Decrypt."
        )
    refused = {item["resource"]: item["message"] for item in _status(planned).get("refused") or ()}
    for step in planned.plan.steps:
        if step.resource.title in refused:
            yield f"The last attempt was rejected: {refused[step.resource.title]}"
    if planned.live and (text := missing_operator(planned.live, time.time())):
        yield f"warning: {planning.title(planned.document)}: {text}"
    yield from _owned_elsewhere(planned)


def _status(planned: Planned) -> dict[str, Any]:
    return (planned.live or {}).get("status") or {}


def _owned_elsewhere(planned: Planned | PlanFailure) -> Iterator[str]:
    for text in managers.owned_elsewhere(planned.document, planned.live or {"metadata": {}}):
        yield f"warning: {text}"


def _estimate(planned: Planned, targets: Targets) -> WriteEstimate:
    return estimate_writes(planned.plan, rate("ssm.PutParameter", targets.settings.quota) or 1.0)

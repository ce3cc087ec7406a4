"""`dynconfig validate`."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from dynconfig.cli import files, kustomize, options, validating
from dynconfig.cli.failures import FAILED
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.cli.validating import Report, Severity
from dynconfig.model.counting import agreeing, counted
from dynconfig.model.printable import printable
from dynconfig.settings import Settings
from dynconfig.validation.region_checks import region_fault

Files = Annotated[
    list[Path] | None, typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")
]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--kustomize", "-k", help="Folder with a kustomization; built with kubectl or kustomize."),
]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of manifests that set none.")]


def command(
    *,
    file: Files = None,
    kustomization: Folders = None,
    namespace: Namespace = "default",
    output: options.Format = Output.TEXT,
) -> None:
    """Check manifests without contacting the cluster or AWS.

    Reports every error of DynamicConfigs and AWSTargets with file and line, and rules that could not
    be checked because a value is missing.
    Set DYNCONFIG_REGIONS as for the operator to check spec.region.

    Example: dynconfig validate -f manifests/examples/myapp.yaml

    Example: dynconfig validate -k overlays/prod -o json
    """
    if not file and not kustomization:
        raise typer.BadParameter(
            "is missing: pass manifests with -f FILE, or a kustomization with -k FOLDER", param_hint="-f"
        )
    settings = Settings.from_environment(os.environ)
    if settings.allowed_regions:
        from dynconfig import wiring

        wiring.check_allowed_regions(settings)
    built = {str(folder): kustomize.build(folder) for folder in kustomization or ()}
    manifests = files.scan(file or (), namespace, built)
    may_name = partial(_region_fault, settings.allowed_regions)
    found = list(validating.reports(manifests, datetime.now(UTC), may_name))
    if output is Output.JSON:
        options.print_json([_document(report) for report in found])
    else:
        _show(found)
    raise typer.Exit(FAILED if any(report.faults for report in found) else 0)


def _region_fault(allowed: tuple[str, ...], region: str) -> str:
    # Imported here because the list of regions is read from a file of botocore, and most objects set no region.
    from dynconfig.aws.regions import regions

    return region_fault(region, regions().__contains__, allowed)


SHOWN = 5
"""Warnings per object in text output; all errors are printed."""


def _show(found: Sequence[Report]) -> None:
    out, err = Terminal.out(), Terminal.err()
    for report in found:
        faults = [remark for remark in report.remarks if remark.severity is Severity.FAULT]
        others = [remark for remark in report.remarks if remark.severity is not Severity.FAULT]
        for remark in (*faults, *others[:SHOWN]):
            err.line(printable(str(remark)), "red" if remark.severity is Severity.FAULT else "yellow")
        if len(others) > SHOWN:
            err.line(f"{report.title}: {len(others) - SHOWN} more warnings; use -o json to list all", "yellow")
        valid = "valid" if report.parameters is None else _valid(report.parameters)
        if report.faults:
            err.line(f"{err.styled('✗', 'red')} {report.title}: {counted(report.faults, 'error')}")
        else:
            out.line(f"{out.styled('✓', 'green')} {report.title}: {valid}")


def _valid(parameters: int) -> str:
    return f"{counted(parameters, 'parameter')} {agreeing(parameters, 'is', 'are')} valid"


def _document(report: Report) -> dict[str, Any]:
    remarks = [
        {"place": remark.place, "severity": remark.severity.value, "message": remark.text} for remark in report.remarks
    ]
    return {
        "object": report.title,
        "valid": not report.faults,
        "parameters": report.parameters or 0,
        "remarks": remarks,
    }

"""`dynconfig validate`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dynconfig import files, validating
from dynconfig.cli.failures import FAILED
from dynconfig.cli.terminal import Terminal, counted

Files = Annotated[list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of objects that name none.")]


def command(file: Files, namespace: Namespace = "default") -> None:
    """Check manifests without a cluster and without AWS.

    Every fault is told with file and line, and which rules could not be checked for want of a value.

    Example: dynconfig validate -f manifests/examples/myapp.yaml
    """
    found = list(validating.reports(files.surveyed(file, namespace), datetime.now(UTC).date()))
    out, err = Terminal.out(), Terminal.err()
    for report in found:
        for remark in report.remarks:
            err.line(str(remark), "red" if remark.weight is validating.Weight.FAULT else "yellow")
        if report.faults:
            err.line(f"{err.styled('✗', 'red')} {report.title}: {counted(report.faults, 'fault')}")
        else:
            out.line(f"{out.styled('✓', 'green')} {report.title}: {report.parameters} parameters are valid")
    raise typer.Exit(FAILED if any(report.faults for report in found) else 0)

"""`dynconfig validate`."""

from pathlib import Path
from typing import Annotated

import typer

from dynconfig import files
from dynconfig.cli.failures import FAILED
from dynconfig.cli.terminal import Terminal
from dynconfig.engine import declare

Files = Annotated[list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of objects that name none.")]


def command(file: Files, namespace: Namespace = "default") -> None:
    """Check manifests without a cluster and without AWS.

    Example: dynconfig validate -f manifests/examples/myapp.yaml
    """
    out, err = Terminal.out(), Terminal.err()
    manifests = files.read(file, namespace)
    wrong = 0
    for document in manifests.configs:
        title = f"{document['metadata']['namespace']}/{document['metadata']['name']}"
        inside = document["metadata"]["namespace"]
        found = declare.faults(document, lambda source, inside=inside: manifests.text(inside, source))  # type: ignore[misc]
        for fault in found:
            err.line(f"{err.styled('✗', 'red')} {title}: {fault}")
        if not found:
            count = len(document["spec"].get("parameters") or ())
            out.line(f"{out.styled('✓', 'green')} {title}: {count} parameters are valid")
        wrong += bool(found)
    raise typer.Exit(FAILED if wrong else 0)

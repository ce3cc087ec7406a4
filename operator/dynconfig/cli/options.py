"""Options shared by several commands, and their JSON output."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dynconfig.cli.failures import Failed
from dynconfig.cli.files import Document
from dynconfig.cli.terminal import writes_unicode
from dynconfig.model.printable import printable
from dynconfig.model.regions import unknown_region


class Output(StrEnum):
    """An output format."""

    TEXT = "text"
    JSON = "json"


def complete_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of objects in the cluster; returns none if the cluster is unavailable."""
    from dynconfig.cli import cluster, failures

    try:
        with cluster.reading() as reader:
            found = cluster.objects(reader, (), context.params.get("namespace"), everywhere=False)
    except failures.expected():
        return []
    names = (str(document["metadata"]["name"]) for document in found)
    return [name for name in names if name.startswith(incomplete)]


Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="File or folder with manifests; - for standard input. Repeat for more."),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace of objects in the cluster, and of manifests that set none. Default: that of the kubeconfig context.",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Objects to select, as NAME or NAMESPACE/NAME: in the files, or in the cluster if no file is given.",
        autocompletion=complete_names,
    ),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Select objects in all namespaces.")]
Format = Annotated[Output, typer.Option("--output", "-o", help="Output format.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Do not contact the cluster; compare manifests with AWS only.")
]


def tidy_path(text: str) -> str | None:
    """Return a Parameter Store path without trailing slashes, or None if it is not a valid path."""
    path = text.rstrip("/")
    return path if path.startswith("/") and "//" not in path else None


def check_region(named: str, region: str | None) -> None:
    """Raise Failed if an option names an unknown region."""
    from dynconfig.aws.regions import regions

    if region and region not in regions():
        raise Failed(f"{named}: {unknown_region(region)}")


def about(document: Document) -> dict[str, Any]:
    """Return the fields that identify an object in JSON output."""
    return {"namespace": document["metadata"]["namespace"], "name": document["metadata"]["name"]}


def print_json(document: object) -> None:
    """Print JSON; characters that are not printable are escaped, because a terminal may show it."""
    text = json.dumps(document, indent=2, ensure_ascii=not writes_unicode(sys.stdout))
    # JSON itself escapes those below a space only: https://www.rfc-editor.org/rfc/rfc8259#section-7
    sys.stdout.write(printable(text, "\n", lambda found: json.dumps(found)[1:-1]) + "\n")

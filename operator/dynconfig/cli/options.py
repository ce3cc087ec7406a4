"""Options that several commands have, and how they answer programs."""

import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dynconfig.cli.failures import Failed
from dynconfig.cli.terminal import writes_unicode
from dynconfig.files import Document

_CONTROLS = re.compile(r"[\x7f-\x9f]")


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"


def complete_names(context: typer.Context, incomplete: str) -> list[str]:
    """Objects of the cluster for the shell that completes a name; none where no cluster answers."""
    from dynconfig import cluster
    from dynconfig.cli import failures

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
        help="Namespace of objects that name none, or of those in the cluster; if absent, that of the kubeconfig's context.",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Objects, by NAME or NAMESPACE/NAME: of the files, or of the cluster where no file is given.",
        autocompletion=complete_names,
    ),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces of the cluster.")]
Format = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]
Offline = Annotated[bool, typer.Option("--offline", help="Ask AWS only: not the cluster for objects and Secrets.")]


def tidy_path(text: str) -> str | None:
    """A path of Parameter Store without a slash at its end; None if it is none."""
    path = text.rstrip("/")
    return path if path.startswith("/") and "//" not in path else None


def check_region(named: str, region: str | None) -> None:
    """Raise Failed if an option names a region that AWS does not have."""
    from dynconfig.aws.regions import regions

    if region and region not in regions():
        raise Failed(f"{named}: {region} is not an AWS region; correct it, or update dynconfig if it is new")


def about(document: Document) -> dict[str, Any]:
    """Which object an answer for programs is about."""
    return {"namespace": document["metadata"]["namespace"], "name": document["metadata"]["name"]}


def print_json(document: object) -> None:
    """Write an answer for programs, which a person may read in a terminal as well."""
    text = json.dumps(document, indent=2, ensure_ascii=not writes_unicode(sys.stdout))
    # JSON itself escapes those below a space only: https://www.rfc-editor.org/rfc/rfc8259#section-7
    sys.stdout.write(f"{_CONTROLS.sub(lambda found: json.dumps(found[0])[1:-1], text)}\n")

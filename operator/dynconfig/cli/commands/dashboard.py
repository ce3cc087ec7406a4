"""`dynconfig dashboard`."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dynconfig.cli import dashboard_export, files, options, targets
from dynconfig.cli.failures import Failed
from dynconfig.cli.files import Document
from dynconfig.cli.planning import title
from dynconfig.cli.terminal import Terminal
from dynconfig.model.errors import InvalidSpec
from dynconfig.settings import Settings


def command(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Object to select if the files contain several.")
    ] = None,
    file: Annotated[
        list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of manifests that set none.")
    ] = "default",
    png: Annotated[Path | None, typer.Option("--png", help="Write a PNG image to this file instead.")] = None,
    last: Annotated[str, typer.Option("--last", help="Time range of the image, for example 30m or 24h.")] = "3h",
) -> None:
    """Print the CloudWatch dashboard of an object as JSON, or draw it with data from CloudWatch.

    Example: dynconfig dashboard -f manifests/examples/myapp.yaml --png dashboard.png
    """
    settings = Settings.from_environment(os.environ)
    document = _only(targets.select_by_name(files.read(file, namespace), [name] if name else ()).configs)
    try:
        exported = dashboard_export.export(document, settings)
    except InvalidSpec as error:
        raise Failed(f"{title(document)}: {error}") from None
    if png is None:
        options.print_json(exported.body)
        return
    picture = dashboard_export.png(exported, settings, now=time.time(), last=dashboard_export.parse_window(last))
    try:
        png.write_bytes(picture)
    except OSError as error:
        raise Failed(f"cannot write {png}: {error.strerror}") from None
    Terminal.out().line(f"{png}: the last {last} of {title(document)}")


def _only(found: Sequence[Document]) -> Document:
    if len(found) > 1:
        raise Failed(
            f"the files contain several objects; select one of them: {', '.join(targets.shortest_names(found))}"
        )
    return found[0]

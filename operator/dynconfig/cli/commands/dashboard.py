"""`dynconfig dashboard`."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dynconfig import board, files
from dynconfig.cli import options, subjects
from dynconfig.cli.failures import Failed
from dynconfig.cli.terminal import Terminal
from dynconfig.engine.errors import InvalidSpec
from dynconfig.files import Document
from dynconfig.planning import title
from dynconfig.settings import Settings


def command(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The object, where the files hold several.")
    ] = None,
    file: Annotated[
        list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of objects that name none.")
    ] = "default",
    png: Annotated[Path | None, typer.Option("--png", help="Draw a picture into this file instead.")] = None,
    last: Annotated[str, typer.Option("--last", help="How far back the picture goes, for example 30m or 24h.")] = "3h",
) -> None:
    """Print the CloudWatch dashboard of an object as JSON, or draw it from the data that CloudWatch has.

    Example: dynconfig dashboard -f manifests/examples/myapp.yaml --png dashboard.png
    """
    settings = Settings.from_environment(os.environ)
    document = _only(subjects.named(files.read(file, namespace), [name] if name else ()).configs)
    try:
        shown = board.shown(document, settings)
    except InvalidSpec as error:
        raise Failed(f"{title(document)}: {error}") from None
    if png is None:
        options.print_json(shown.body)
        return
    picture = board.png(shown, settings, now=time.time(), last=board.window(last))
    try:
        png.write_bytes(picture)
    except OSError as error:
        raise Failed(f"{png} cannot be written: {error.strerror}") from None
    Terminal.out().line(f"{png}: the last {last} of {title(document)}")


def _only(found: Sequence[Document]) -> Document:
    if len(found) > 1:
        raise Failed(f"several objects are in the files; name one of them: {', '.join(subjects.shortest_names(found))}")
    return found[0]

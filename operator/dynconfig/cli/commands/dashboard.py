"""`dynconfig dashboard`."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dynconfig.cli import dashboard_export, options, targets, terminal
from dynconfig.cli.failures import Failed
from dynconfig.cli.files import Document
from dynconfig.cli.planning import as_applied, title
from dynconfig.model.errors import Terminal


def command(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Object to select if the files contain several.")
    ] = None,
    file: Annotated[
        list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")
    ],
    namespace: options.Namespace = None,
    offline: options.Offline = False,
    png: Annotated[Path | None, typer.Option("--png", help="Write a PNG image to this file instead.")] = None,
    last: Annotated[str, typer.Option("--last", help="Time range of the image, for example 30m or 24h.")] = "3h",
) -> None:
    """Print the CloudWatch dashboard of an object as JSON, or draw it with data from CloudWatch.

    Example: dynconfig dashboard -f manifests/examples/myapp.yaml --png dashboard.png
    """
    selected = targets.select_targets(file, [name] if name else None, namespace, offline=offline)
    document = _only(selected.manifests.configs)
    with selected.cluster() as cluster:
        accounts = selected.accounts(cluster)
        try:
            applied = as_applied(document, cluster.state_of(document).live or {})
            target = accounts.target_of(applied)
            exported = dashboard_export.export(applied, selected.settings, target)
            clients = accounts.clients(target) if png else None
        except Terminal as error:
            raise Failed(f"{title(document)}: {error}") from None
    if png is None or clients is None:
        options.print_json(exported.body)
        return
    picture = dashboard_export.png(exported, clients, now=time.time(), last=dashboard_export.parse_window(last))
    try:
        png.write_bytes(picture)
    except OSError as error:
        raise Failed(f"cannot write {png}: {error.strerror}") from None
    terminal.Terminal.out().line(f"{png}: the last {last} of {title(document)}")


def _only(found: Sequence[Document]) -> Document:
    if len(found) > 1:
        raise Failed(
            f"the files contain several objects; select one of them: {', '.join(targets.shortest_names(found))}"
        )
    return found[0]

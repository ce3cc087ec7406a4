"""`dynconfig status`."""

import gc
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from dynconfig.api.duration import DURATION, seconds
from dynconfig.cli import options
from dynconfig.cli.failures import FAILED, Failed
from dynconfig.cli.object_status import ObjectStage, ObjectStatus
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.model.stored import RecordedPlace

HEADINGS = ("OBJECT", "STAGE", "IN-SYNC", "DRIFTED", "REVISION", "PLACE", "OBSERVED", "MESSAGE")
_STYLES = {
    ObjectStage.READY: "green",
    ObjectStage.BAKING: "cyan",
    ObjectStage.WORKING: "yellow",
    ObjectStage.STALLED: "red",
    ObjectStage.GONE: "dim",
}

Rows = Mapping[str, ObjectStatus]
DEFAULT_TIMEOUTS = {False: "5m", True: "1h"}
"""The default timeout, without and with --stable: the default bake time is longer than five minutes."""


def command(
    *,
    name: options.Names = None,
    namespace: options.Namespace = None,
    everywhere: options.Everywhere = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Watch the objects until each is Ready or stalled.")
    ] = False,
    stable: Annotated[
        bool, typer.Option("--stable", help="With --watch: also wait for the end of the bake time.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout", help="How long to watch, for example 90s; 0s for no limit. Default: 5m, with --stable 1h."
        ),
    ] = None,
    output: options.Format = Output.TEXT,
) -> None:
    """Show rollout status and place (region, AWSTarget, account); with --watch, wait like `kubectl rollout status`.

    Exit code with --watch, 0: all are Ready, with --stable also stable; 1: an object is stalled
    or was deleted, none was found, or timeout.

    Example: dynconfig status -n shop

    Example: kubectl apply -f myapp.yaml && dynconfig status myapp --watch --timeout 2m

    Example: dynconfig status -n shop --watch --stable
    """
    from dynconfig.cli import cluster, watching

    if stable and not watch:
        raise typer.BadParameter("requires --watch", param_hint="--stable")
    timeout = timeout if timeout is not None else DEFAULT_TIMEOUTS[stable]
    until = _until(timeout) if watch else 0.0
    unfinished = frozenset({ObjectStage.WORKING, ObjectStage.BAKING} if stable else {ObjectStage.WORKING})
    with cluster.reading() as reader:
        nothing = cluster.nothing(reader, namespace, everywhere=everywhere)
        seen = watching.snapshots(reader, name or (), namespace, everywhere=everywhere, deadline=until)
        if not watch:
            show(next(seen), output, nothing)
            return
        gc.enable()
        last = _followed(seen, unfinished)
    if output is Output.JSON:
        show(last, output, nothing)
    raise typer.Exit(verdict(last, timeout, nothing, unfinished))


def show(rows: Rows, output: Output, nothing: str) -> None:
    """Print the objects. Raises Failed with the message `nothing` if there are none."""
    if output is Output.JSON:
        options.print_json([asdict(row) for row in rows.values()])
        return
    if not rows:
        raise Failed(nothing)
    Terminal.out().table(
        HEADINGS, [_cells(row) for row in rows.values()], [_STYLES[row.stage] for row in rows.values()]
    )


def _until(timeout: str) -> float:
    """Return the deadline on the monotonic clock."""
    if not timeout or not re.fullmatch(DURATION, timeout):
        raise typer.BadParameter("expected a duration like 90s, 10m or 1h30m", param_hint="--timeout")
    length = seconds(timeout)
    return time.monotonic() + length if length else float("inf")


def _followed(seen: Iterator[Rows], unfinished: Collection[ObjectStage]) -> Rows:
    """Show every change until no object is in these stages, or until the deadline."""
    last: Rows = {}
    with _showing() as show:
        for rows in seen:
            show(rows)
            last = rows
            if all(row.stage not in unfinished for row in rows.values()):
                break
    return last


@contextmanager
def _showing() -> Iterator[Callable[[Rows], None]]:
    """Yield a function that updates a table on a terminal, or else prints a line for each change."""
    out = Terminal.out()
    if not out.is_live:
        yield _ChangeLines(out).show
        return
    from dynconfig.cli import live

    with live.table(HEADINGS) as show:
        yield lambda rows: show([(_cells(row), _STYLES[row.stage]) for row in rows.values()])


class _ChangeLines:
    """Prints a line for each changed object."""

    def __init__(self, out: Terminal) -> None:
        self._out = out
        self._printed: dict[str, str] = {}

    def show(self, rows: Rows) -> None:
        for name, row in rows.items():
            text = f"{name}: {row.stage} {row.in_sync} {row.message}".replace("  ", " ")
            if self._printed.get(name) != text:
                self._printed[name] = text
                self._out.wrapped(text, _STYLES[row.stage])
        self._out.stream.flush()


def verdict(
    rows: Rows, timeout: str, nothing: str, unfinished: Collection[ObjectStage] = (ObjectStage.WORKING,)
) -> int:
    """Return the exit code for the last status. Raises Failed with the reason if an object was deleted or is late."""
    if not rows:
        raise Failed(nothing)
    gone = [row for row in rows.values() if row.stage is ObjectStage.GONE]
    if gone:
        raise Failed(f"{gone[0].title} was deleted while it was being watched")
    late = [row for row in rows.values() if row.stage in unfinished]
    if late:
        wanted = "Ready" if late[0].stage is ObjectStage.WORKING else "stable"
        raise Failed(f"{late[0].title} is not {wanted} after {timeout}: {late[0].message}")
    return FAILED if any(row.stage is ObjectStage.STALLED for row in rows.values()) else 0


def _cells(row: ObjectStatus) -> tuple[str, ...]:
    place = str(RecordedPlace(row.target, row.account, row.region))
    return row.title, row.stage.value, row.in_sync, row.drifted, row.revision, place, row.observed, row.message

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
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.engine.standing import Progress, Stage

HEADINGS = ("OBJECT", "STAGE", "IN-SYNC", "DRIFTED", "REVISION", "OBSERVED", "MESSAGE")
_STYLES = {Stage.READY: "green", Stage.BAKING: "cyan", Stage.WORKING: "yellow", Stage.STALLED: "red", Stage.GONE: "dim"}

Rows = Mapping[str, Progress]
DEFAULT_TIMEOUTS = {False: "5m", True: "1h"}
"""How long to follow, by whether stable is waited for: the default bake time is longer than five minutes."""


def command(
    *,
    name: options.Names = None,
    namespace: options.Namespace = None,
    everywhere: options.Everywhere = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow the objects until each of them is Ready, or stalled.")
    ] = False,
    stable: Annotated[
        bool, typer.Option("--stable", help="With --watch: also wait until the bake time of a rollout is over.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout", help="How long to follow, for example 90s; 0s for ever. Default: 5m, with --stable 1h."
        ),
    ] = None,
    output: options.Format = Output.TEXT,
) -> None:
    """Show how far objects are; with --watch follow them as `kubectl rollout status` does.

    Exit code with --watch, 0: all are Ready, with --stable also stable; 1: one is stalled or was deleted, there is
    none, or time is up.

    Example: dynconfig status -n shop

    Example: kubectl apply -f myapp.yaml && dynconfig status myapp --watch --timeout 2m

    Example: dynconfig status -n shop --watch --stable
    """
    from dynconfig import cluster
    from dynconfig.cli import watching

    if stable and not watch:
        raise typer.BadParameter("needs --watch", param_hint="--stable")
    timeout = timeout if timeout is not None else DEFAULT_TIMEOUTS[stable]
    until = _until(timeout) if watch else 0.0
    unfinished = frozenset({Stage.WORKING, Stage.BAKING} if stable else {Stage.WORKING})
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
    """Write the objects as they are now. Raises Failed with `nothing` where there are none."""
    if output is Output.JSON:
        options.print_json([asdict(row) for row in rows.values()])
        return
    if not rows:
        raise Failed(nothing)
    Terminal.out().table(
        HEADINGS, [_cells(row) for row in rows.values()], [_STYLES[row.stage] for row in rows.values()]
    )


def _until(timeout: str) -> float:
    """The moment at which the time is up, on the monotonic clock."""
    if not timeout or not re.fullmatch(DURATION, timeout):
        raise typer.BadParameter("is a time like 90s, 10m or 1h30m", param_hint="--timeout")
    length = seconds(timeout)
    return time.monotonic() + length if length else float("inf")


def _followed(seen: Iterator[Rows], unfinished: Collection[Stage]) -> Rows:
    """Show every change until none is in these stages, or the time is up."""
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
    """A table that is written over on a terminal, else a line for each change."""
    out = Terminal.out()
    if not out.is_live:
        yield _Lines(out).show
        return
    from dynconfig.cli import live

    with live.table(HEADINGS) as show:
        yield lambda rows: show([(_cells(row), _STYLES[row.stage]) for row in rows.values()])


class _Lines:
    """Says what is news, since a file cannot be written over."""

    def __init__(self, out: Terminal) -> None:
        self._out = out
        self._told: dict[str, str] = {}

    def show(self, rows: Rows) -> None:
        for name, row in rows.items():
            text = f"{name}: {row.stage} {row.in_sync} {row.message}".replace("  ", " ")
            if self._told.get(name) != text:
                self._told[name] = text
                self._out.wrapped(text, _STYLES[row.stage])
        self._out.stream.flush()


def verdict(rows: Rows, timeout: str, nothing: str, unfinished: Collection[Stage] = (Stage.WORKING,)) -> int:
    """The exit code after what was seen last. Raises Failed, saying why it is not that of success."""
    if not rows:
        raise Failed(nothing)
    gone = [row for row in rows.values() if row.stage is Stage.GONE]
    if gone:
        raise Failed(f"{gone[0].title} was deleted while it was watched")
    late = [row for row in rows.values() if row.stage in unfinished]
    if late:
        wanted = "Ready" if late[0].stage is Stage.WORKING else "stable"
        raise Failed(f"{late[0].title} is not {wanted} after {timeout}: {late[0].message}")
    return FAILED if any(row.stage is Stage.STALLED for row in rows.values()) else 0


def _cells(row: Progress) -> tuple[str, ...]:
    return row.title, row.stage.value, row.in_sync, row.drifted, row.revision, row.observed, row.message

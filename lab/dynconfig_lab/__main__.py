"""The commands of the lab: `python -m dynconfig_lab up | down | status | kubectl | binaries | tools`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dynconfig_lab import binaries, lab, tools
from dynconfig_lab.cluster import Choice
from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import end_as_interrupted
from dynconfig_lab.state import Folder

Place = Annotated[Path, typer.Option("--folder", help="Where the lab keeps its files.")]
Port = Annotated[int | None, typer.Option(help="Any free port if left out.", min=1, max=65535)]

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
console = Console()


@app.command()
def up(
    folder: Place = Path(".lab"),
    cluster: Annotated[Choice, typer.Option(help="Which Kubernetes to use.")] = Choice.AUTO,
    aws_port: Port = None,
    control_port: Port = None,
) -> None:
    """Start the lab in the background and wait until it is ready."""
    place = _place(folder)
    wishes = lab.Wishes(cluster, aws_port, control_port)
    plan = lab.up(place, lambda: lab.planned(place, wishes, os.environ, console), console)
    lab.install(plan, binaries.kubectl(console))
    console.print("[bold green]The lab is ready.[/]")
    lab.summary(place, plan, console)


@app.command()
def down(folder: Place = Path(".lab")) -> None:
    """Stop the lab and remove its files."""
    ended = lab.end(_place(folder))
    console.print("The lab is stopped." if ended else f"No lab runs in {folder}.")


@app.command()
def status(folder: Place = Path(".lab")) -> None:
    """Show what runs."""
    place = _place(folder)
    state = place.state()
    if not state:
        console.print(f"No lab runs in {folder}.")
        return
    console.print(lab.table(place, state))
    if state.reason:
        console.print(state.reason, markup=False, highlight=False, soft_wrap=True)


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def kubectl(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run kubectl: the one on PATH, or else the lab's own."""
    program = str(binaries.kubectl(Console(stderr=True)))
    os.execv(program, [program, *(arguments or [])])  # noqa: S606


@app.command("binaries")
def build() -> None:
    """Build the binaries of the lab's own Kubernetes unless they exist; takes minutes the first time."""
    binaries.ensure(console, built=True)


@app.command("tools")
def build_tools(
    argo: Annotated[bool, typer.Option("--argocd", help="Argo CD too, which takes long.")] = False,
) -> None:
    """Get the additional tools of the tests unless they exist: Helm, and as root Chromium."""
    tools.helm(console)
    try:
        tools.chromium(console)
    except LabError as error:
        # Also without a network.
        console.print(f"{error} Without it, the test of the HTML report is skipped.", markup=False, soft_wrap=True)
    if argo:
        tools.argocd(console)


def _place(folder: Path) -> Folder:
    if folder.exists() and not folder.is_dir():
        raise LabError(f"{folder} is no folder; name another with --folder.")
    return Folder(folder.absolute())


def main() -> None:
    end_as_interrupted()
    try:
        app(standalone_mode=True)
    except (LabError, OSError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

"""`dynconfig diff`."""

from typing import Annotated, Any

import typer

from dynconfig.cli import environments, field_diff, options
from dynconfig.cli.comparison import Contrast, contrasts
from dynconfig.cli.failures import CHANGES
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.model.counting import counted
from dynconfig.model.window import shortened

HELP = (
    "A manifest FILE, or FILE#NAME if it contains several objects; the NAME of an object in the cluster (or "
    "NAMESPACE/NAME, also after FILE#); or a path in AWS: /PATH, /PATH@REGION, or /PATH@NAME of an AWSTarget."
)


def command(
    left: Annotated[str, typer.Argument(metavar="LEFT", help=HELP)],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="Same as LEFT.")],
    *,
    namespace: options.Namespace = None,
    output: options.Format = Output.TEXT,
    offline: options.Offline = False,
) -> None:
    """Compare two environments: the parameters under their paths, and the rest of their specs.

    For secrets only whether they are equal is shown.

    Exit code 0: no differences; 2: differences; 1: error.

    Example: dynconfig diff dev.yaml prod.yaml

    Example: dynconfig diff <(kubectl kustomize overlays/dev) <(kubectl kustomize overlays/prod)

    Example: dynconfig diff /myapp/staging /myapp/prod@us-east-1

    Example: dynconfig diff prod.yaml /myapp/prod@prod-eu
    """
    before, after = environments.read(left, right, namespace, offline=offline)
    found = list(contrasts(before, after))
    if output is Output.JSON:
        listed = [_document(each) for each in found]
        options.print_json({"left": before.title, "right": after.title, "differences": listed})
    else:
        out = Terminal.out()
        out.line(f"- {before.title}", "red")
        out.line(f"+ {after.title}", "green")
        for each in found:
            _show(out, each)
        same = len({*before.entries, *after.entries} - {each.name.removesuffix(" (type)") for each in found})
        out.line(f"{counted(len(found), 'difference').capitalize()}; {counted(same, 'parameter')} identical.")
    raise typer.Exit(CHANGES if found else 0)


def _show(out: Terminal, each: Contrast) -> None:
    if each.left is None:
        out.wrapped(f"  + {each.name}: {shortened(each.right or '')}", "green")
    elif each.right is None:
        out.wrapped(f"  - {each.name}: {shortened(each.left)}", "red")
    else:
        for number, line in enumerate(field_diff.lines(each.name, each.left, each.right)):
            out.wrapped(f"    {line}" if number and line.startswith(" ") else f"  ~ {line}", "yellow")


def _document(each: Contrast) -> dict[str, Any]:
    """Return one difference for JSON output: both sides in full, and the members of JSON values that differ."""
    found = {"name": each.name, "left": each.left, "right": each.right}
    parts = field_diff.parts(each.left, each.right) if each.left is not None and each.right is not None else ()
    listed = [{"path": part.path, "left": part.before, "right": part.after} for part in parts]
    return {**found, **({"parts": listed} if listed else {})}

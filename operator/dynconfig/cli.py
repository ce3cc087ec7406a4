"""The door of the terminal: `dynconfig`, also `kubectl dynconfig`."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from rich.console import Console

from dynconfig import __version__, files
from dynconfig.api.crd import definition
from dynconfig.aws import permissions
from dynconfig.engine import describe
from dynconfig.engine.errors import DynConfigError
from dynconfig.settings import BadSetting, Settings

if TYPE_CHECKING:
    from dynconfig.engine.plan import Plan

app = typer.Typer(
    name="dynconfig",
    help="Dynamic configuration in AWS Systems Manager Parameter Store, declared in Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

FAILED, CHANGES = 1, 2

Files = Annotated[list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of objects that name none.")]

_STYLES = {"+": "green", "~": "yellow", "-": "red", "=": "cyan", " ": "dim"}


@app.command()
def validate(file: Files, namespace: Namespace = "default") -> None:
    """Check manifests without a cluster and without AWS.

    Every fault is told with file and line, and which rules could not be checked for want of a value.

    Example: dynconfig validate -f manifests/examples/myapp.yaml
    """
    from dynconfig import validating

    found = list(validating.reports(files.read(file, namespace), datetime.now(UTC).date()))
    for report in found:
        for remark in report.remarks:
            style = "red" if remark.weight is validating.Weight.FAULT else "yellow"
            err.print(f"[{style}]{_escaped(str(remark))}[/]", soft_wrap=True)
        if report.faults:
            err.print(f"[red]✗[/] {report.title}: {report.faults} fault{'s' * (report.faults > 1)}")
        else:
            out.print(f"[green]✓[/] {report.title}: {report.parameters} parameters are valid")
    raise typer.Exit(FAILED if any(report.faults for report in found) else 0)


@app.command()
def plan(
    file: Files,
    namespace: Namespace = "default",
    output: Annotated[str, typer.Option("--output", "-o", help="text or json")] = "text",
    offline: Annotated[bool, typer.Option("--offline", help="Ask AWS only, no cluster.")] = False,
) -> None:
    """Show what applying manifests would change in AWS; nothing is written.

    Exit code 0: nothing to do; 2: there are changes; 1: it cannot be told.

    Example: dynconfig plan -f manifests/examples/myapp.yaml
    """
    from dynconfig import planning

    if output not in ("text", "json"):
        raise typer.BadParameter("is text or json", param_hint="--output")
    settings = Settings.from_environment(os.environ)
    found = planning.plans(files.read(file, namespace), settings, offline=offline)
    if output == "json":
        sys.stdout.write(
            json.dumps([{**_titled(config), **describe.document(plan)} for config, plan in found], indent=2) + "\n"
        )
    else:
        for config, planned in found:
            _print(config, planned)
    raise typer.Exit(0 if all(planned.is_empty for _, planned in found) else CHANGES)


@app.command()
def dashboard(
    file: Files,
    namespace: Namespace = "default",
    png: Annotated[Path | None, typer.Option("--png", help="Draw a picture into this file instead.")] = None,
    last: Annotated[str, typer.Option("--last", help="How far back the picture goes, for example 30m or 24h.")] = "3h",
) -> None:
    """Print the CloudWatch dashboard of an object as JSON, or draw it from the data that CloudWatch has.

    Example: dynconfig dashboard -f manifests/examples/myapp.yaml --png dashboard.png
    """
    from dynconfig import board

    settings = Settings.from_environment(os.environ)
    documents = files.read(file, namespace).configs
    if len(documents) != 1:
        raise typer.BadParameter(f"has to hold one object, and holds {len(documents)}", param_hint="--file")
    shown = board.shown(documents[0], settings)
    if png is None:
        sys.stdout.write(json.dumps(shown.body, indent=2) + "\n")
        return
    picture = board.png(shown, settings, now=time.time(), last=board.window(last))
    png.write_bytes(picture)
    about = documents[0]["metadata"]
    out.print(f"{png}: the last {last} of {about['namespace']}/{about['name']}", soft_wrap=True)


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition.

    Example: dynconfig crd | kubectl apply -f -
    """
    sys.stdout.write(crd_text())


@app.command()
def iam(  # noqa: PLR0917 - typer reads the options here
    path: Annotated[list[str], typer.Option("--path", help="Path that the operator may use; repeat for more.")],
    account: Annotated[str, typer.Option("--account", help="AWS account id.")] = "123456789012",
    region: Annotated[str, typer.Option("--region", help="AWS region.")] = "eu-west-1",
    key: Annotated[list[str] | None, typer.Option("--key", help="ARN of a KMS key for SecureStrings.")] = None,
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function",
            help="Pattern of names of functions and of their roles; repeat for more. If absent all of the account, "
            "since users may name them; dynconfig-* where they do not.",
        ),
    ] = None,
    attached_role: Annotated[
        list[str] | None,
        typer.Option("--attached-role", help="Pattern of names of roles of functions that mode Attach may add to."),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="ARN of a layer beside AWS's own extension.")
    ] = None,
    boundary: Annotated[
        str, typer.Option("--boundary", help="ARN of the permissions boundary that DYNCONFIG_BOUNDARY names.")
    ] = "",
    parameters_only: Annotated[
        bool, typer.Option("--parameters-only", help="For an operator that keeps parameters and no functions.")
    ] = False,
) -> None:
    """Print the IAM policy that the operator needs.

    Example: dynconfig iam --path /myapp --function 'dynconfig-*' --account 123456789012 --region eu-west-1
    """
    allowed = permissions.Allowed(
        paths=path,
        account=account,
        region=region,
        keys=key or (),
        functions=() if parameters_only else function or ("*",),
        attached_roles=attached_role or (),
        own_layers=layer or (),
        boundary=boundary,
    )
    sys.stdout.write(json.dumps(permissions.operator_policy(allowed), indent=2) + "\n")


@app.command()
def run() -> None:
    """Run the operator in the foreground, with settings from the environment.

    Example: AWS_REGION=eu-west-1 dynconfig run
    """
    import asyncio

    from dynconfig import handlers, logs

    settings = Settings.from_environment(os.environ)
    logs.configure(settings)

    async def serve() -> None:
        await handlers.run(settings, asyncio.Event(), asyncio.Event())

    asyncio.run(serve())


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Dynamic configuration in AWS Systems Manager Parameter Store, declared in Kubernetes."""
    if version:
        out.print(f"dynconfig {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a failure is one line that says what to do."""
    from dynconfig.kube.client import ApiRefused, NoCluster

    try:
        app()
    except (DynConfigError, BadSetting, files.BadFile, NoCluster, ApiRefused) as error:
        err.print(f"[red]error:[/] {_escaped(str(error))}", soft_wrap=True)
        raise SystemExit(FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def crd_text() -> str:
    """The CustomResourceDefinition as YAML."""
    header = "# Generated by `make crd`; edit operator/dynconfig/api instead.\n"
    text: str = yaml.dump(definition(), Dumper=_PlainDumper, sort_keys=False, width=120)
    return header + text


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors: every field stands where it is read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the answer is the same for all
        return True


def _print(config: files.Document, planned: "Plan") -> None:
    out.print(f"[bold]{config['metadata']['namespace']}/{config['metadata']['name']}[/] {config['spec']['path']}")
    for sign, text in describe.lines(planned):
        indent = "      " if sign == " " else f"  {sign} "
        out.print(f"[{_STYLES[sign]}]{indent}{_escaped(text)}[/]", soft_wrap=True)
    out.print(describe.summary(planned))


def _titled(config: files.Document) -> dict[str, str]:
    return {"namespace": config["metadata"]["namespace"], "name": config["metadata"]["name"]}


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")

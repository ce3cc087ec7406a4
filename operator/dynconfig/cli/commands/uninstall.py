"""`dynconfig uninstall`."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dynconfig.cli.failures import Failed
from dynconfig.cli.terminal import Terminal
from dynconfig.model.counting import counted

if TYPE_CHECKING:
    from dynconfig.cli.uninstalling import Removal, Uninstaller

SHOWN = 10
NO_POLICY = (
    "--keep-aws is required: this command keeps everything in AWS. To delete AWS resources, delete their objects while the "
    "operator is running (kubectl delete dcfg --all -n NAMESPACE), then run this command for the rest"
)

NO_DEPLOYMENT = (
    "No Deployment of the operator was found. Stop any operator that runs elsewhere before you continue; it would recreate "
    "its queue and rules."
)


def command(
    *,
    keep_aws: Annotated[
        bool, typer.Option("--keep-aws", help="Keep all AWS resources, without owner tags. Required.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete all DynamicConfigs in the cluster and keep their AWS resources.

    Stops the operator's Deployment, removes owner tags and finalizers, deletes the objects and
    the operator's own queue and rules, and prints how to remove the rest. If it fails, run it
    again. Plaintext parameters with a value from a Secret keep the tag dynconfig.dev/from-secret.

    Example: dynconfig uninstall --keep-aws
    """
    if not keep_aws:
        raise Failed(NO_POLICY)
    from dynconfig import wiring
    from dynconfig.cli import cluster, uninstalling
    from dynconfig.cli.accounts import Accounts
    from dynconfig.kube.writer import Writer
    from dynconfig.settings import Settings

    settings = Settings.from_environment(os.environ)
    writer, region = Writer.from_environment(), wiring.default_region(settings)
    try:
        accounts = Accounts(settings, cluster.known_targets(writer, settings))
        work = uninstalling.Uninstaller(settings, writer, accounts.engine(), region, accounts)
        removals, has_deployment = work.objects(), work.has_deployment()
        _show(removals, has_deployment=has_deployment)
        if not yes:
            _confirm()
        failed = _carry_out(work, removals, has_deployment=has_deployment)
    finally:
        writer.close()
    if failed:
        raise Failed(f"{counted(failed, 'object')} could not be released; see above, then run the command again")
    out = Terminal.out()
    if has_deployment:
        out.line("All objects are released. To remove the operator and the CRD:")
    else:
        out.line("All objects are released. An operator may still be running elsewhere.", "yellow")
        out.line("Stop it and run this command again, since it recreates its event queue.")
        out.line("Then remove the CRD and the rest of the installation:")
    for text in uninstalling.next_commands():
        out.line(f"  {text}")


def _show(removals: Sequence["Removal"], *, has_deployment: bool) -> None:
    out = Terminal.out()
    for item in removals:
        out.line(f"{out.styled(item.title, 'bold')} {item.declaration.path} in {item.declaration.place}")
        for resource in item.owned[:SHOWN]:
            out.wrapped(f"  = keep {resource.title}, without owner tag", "cyan")
        if len(item.owned) > SHOWN:
            out.line(f"  = keep {len(item.owned) - SHOWN} more")
        if item.applied_by:
            out.line(f"  ! managed by {item.applied_by}, which would recreate it; remove it there first", "yellow")
    kept = sum(len(item.owned) for item in removals)
    stopped = "the operator is stopped, its" if has_deployment else "the operator's"
    out.line(
        f"Uninstall: {counted(len(removals), 'object')} to delete in Kubernetes, {counted(kept, 'resource')} to keep in AWS; "
        f"{stopped} queue and rules are deleted."
    )
    if not has_deployment:
        out.wrapped(NO_DEPLOYMENT, "yellow")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Failed("cannot ask for confirmation without a terminal; add --yes")
    if not typer.confirm("Continue?"):
        raise Failed("aborted; nothing was changed")


def _carry_out(work: "Uninstaller", removals: Sequence["Removal"], *, has_deployment: bool) -> int:
    """Return how many objects could not be released."""
    out = Terminal.out()
    for title in work.stop():
        out.line(f"Deployment {title}: stopped")
    marked = [work.mark(item) for item in removals]
    if not has_deployment:
        for title in work.await_operator(marked):
            out.line(f"{title}: released by an operator running elsewhere", "green")
    failed = _release(work, marked)
    if not failed:
        work.check(marked)
        for title in work.remove_events(marked):
            out.line(f"{title}: deleted")
        for title in work.release_targets():
            out.line(f"{title}: released")
    return failed


def _release(work: "Uninstaller", marked: Sequence["Removal"]) -> int:
    """Return how many objects could not be released."""
    from dynconfig.model.errors import DynConfigError

    out, failed = Terminal.out(), 0
    for number, item in enumerate(marked, 1):
        try:
            work.release(item)
        except DynConfigError as error:
            failed += 1
            Terminal.err().failure(f"{item.title}: {error}")
        else:
            out.line(f"[{number}/{len(marked)}] {item.title}: released", "green")
        out.stream.flush()
    return failed

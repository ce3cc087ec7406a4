"""`dynconfig abandon`."""

import sys
from typing import Annotated

import typer

from dynconfig.cli import options
from dynconfig.cli.failures import Failed
from dynconfig.cli.terminal import Terminal
from dynconfig.engine.counting import counted


def command(
    *,
    name: options.Names = None,
    namespace: options.Namespace = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete objects and leave all of their resources in AWS, whatever their deletionPolicy.

    Sets the annotation dynconfig.dev/abandon, then deletes the object; the operator removes its owner tags and labels as far as
    AWS allows, and lets the object go. Of an object that no longer fits its definition (an older one took it), the API server
    takes no annotation: spec is then reduced to path and region with suspend: true in the same write.

    Example: dynconfig abandon -n shop myapp
    """
    if not name:
        raise Failed("name the objects: dynconfig abandon -n NAMESPACE NAME")
    from dynconfig import cluster
    from dynconfig.engine.work_queue import Key
    from dynconfig.kube.writer import Writer

    writer = Writer.from_environment()
    try:
        documents = cluster.objects(writer, name, namespace, everywhere=False)
        found = [(Key(item["metadata"]["namespace"], item["metadata"]["name"]), item) for item in documents]
        if not yes:
            _confirm(len(found))
        for key, document in found:
            writer.abandon(key)
            writer.delete(key, document["metadata"]["uid"])
            Terminal.out().line(f"{key.namespace}/{key.name}: abandoned; its resources stay in AWS", "green")
    finally:
        writer.close()
    Terminal.out().wrapped("The operator lets them go. If none runs, remove the finalizer dynconfig.dev/aws-resources.")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise Failed("no terminal to confirm at; repeat the command with --yes")
    if not typer.confirm(f"Delete {counted(count, 'object')} in Kubernetes and leave all of their resources in AWS?"):
        raise Failed("nothing was changed")

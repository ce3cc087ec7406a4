"""`dynconfig abandon`."""

import sys
from typing import Annotated

import typer

from dynconfig.cli import options
from dynconfig.cli.failures import Failed
from dynconfig.cli.terminal import Terminal
from dynconfig.model.counting import counted


def command(
    *,
    name: options.Names = None,
    namespace: options.Namespace = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete objects and keep all of their AWS resources, regardless of deletionPolicy.

    Sets the annotation dynconfig.dev/abandon, then deletes the object. The operator removes owner
    tags and labels as far as AWS allows, and then the finalizer. If the object is no longer valid
    under the current CRD, the API server rejects the annotation; spec is then reduced to path and
    region with suspend: true in the same write.

    Example: dynconfig abandon -n shop myapp
    """
    if not name:
        raise Failed("no object given; use: dynconfig abandon -n NAMESPACE NAME")
    from dynconfig.cli import cluster
    from dynconfig.kube.writer import Writer
    from dynconfig.model.key import Key

    writer = Writer.from_environment()
    try:
        documents = cluster.objects(writer, name, namespace, everywhere=False)
        found = [(Key(item["metadata"]["namespace"], item["metadata"]["name"]), item) for item in documents]
        if not yes:
            _confirm(len(found))
        for key, document in found:
            writer.abandon(key)
            writer.delete(key, document["metadata"]["uid"])
            Terminal.out().line(f"{key.namespace}/{key.name}: abandoned; its AWS resources are kept", "green")
    finally:
        writer.close()
    Terminal.out().wrapped(
        "The operator removes their finalizer dynconfig.dev/aws-resources. If no operator is running, remove it yourself."
    )


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise Failed("cannot ask for confirmation without a terminal; add --yes")
    if not typer.confirm(f"Delete {counted(count, 'object')} in Kubernetes and keep all of their AWS resources?"):
        raise Failed("aborted; nothing was changed")

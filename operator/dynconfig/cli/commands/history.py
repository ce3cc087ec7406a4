"""`dynconfig history`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dynconfig.cli import options
from dynconfig.cli.failures import Failed
from dynconfig.cli.files import Document
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.model.stored import RecordedPlace, recorded_place

HEADINGS = ("OBJECT", "PLACE", "REVISION", "GENERATION", "WRITTEN", "OUTCOME", "CHANGED")
_STYLES = {"Stable": "green", "Applied": "green", "Baking": "yellow", "RolledBack": "red", "Replaced": "dim"}


def command(
    *,
    name: options.Names = None,
    namespace: options.Namespace = None,
    everywhere: options.Everywhere = False,
    output: options.Format = Output.TEXT,
) -> None:
    """Show the last revisions of objects: when, what changed, and the outcome; calls no AWS.

    CHANGED: written parameters as NAME@VERSION, and removed ones as NAME deleted, or, if they still
    exist, NAME released.

    Outcomes:
    Applied: in AWS, without spec.rollout.
    Baking: in AWS, and its alarms are watched.
    Stable: no alarm fired during the bake time.
    RolledBack: an alarm fired, and the stable revision was restored.
    RolledBackTo REVISION: the restored values of that revision.
    Replaced: another revision came before it was stable.

    Example: dynconfig history -n shop myapp
    """
    from dynconfig.cli import cluster

    with cluster.reading() as reader:
        found = cluster.objects(reader, name or (), namespace, everywhere=everywhere)
        if not found and output is Output.TEXT:
            raise Failed(cluster.nothing(reader, namespace, everywhere=everywhere))
        show(found, output)


def show(documents: Sequence[Document], output: Output) -> None:
    """Print the revisions of these objects, newest first."""
    if output is Output.JSON:
        options.print_json([_document(document) for document in documents])
        return
    found = [(document, entry) for document in documents for entry in _history(document)]
    if not found:
        raise Failed("no revisions yet; run `dynconfig status` to see the progress of the objects")
    Terminal.out().table(
        HEADINGS,
        [_cells(document, entry) for document, entry in found],
        [_STYLES[item["outcome"]] for _, item in found],
    )


def _document(document: Document) -> dict[str, Any]:
    place = asdict(_place(document))
    return {**options.about(document), **place, "history": _history(document)}


def _place(document: Document) -> RecordedPlace:
    return recorded_place(document.get("status")) or RecordedPlace()


def _history(document: Document) -> Sequence[Mapping[str, Any]]:
    return (document.get("status") or {}).get("history") or ()


def _cells(document: Document, entry: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = document["metadata"]
    return (
        f"{metadata['namespace']}/{metadata['name']}",
        str(_place(document)),
        entry["revision"],
        str(entry["generation"]),
        entry["time"],
        f"RolledBackTo {entry['rolledBackTo']}" if entry.get("rolledBackTo") else entry["outcome"],
        ", ".join(entry.get("changed") or ()),
    )

"""`dynconfig report`."""

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dynconfig.cli import options
from dynconfig.cli.failures import CHANGES, Failed
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.model.counting import agreeing, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynconfig.engine.orphans import Orphan
    from dynconfig.kube.reader import Reader

HEADINGS = ("OWNER", "REGION", "RESOURCE")
WAY_OUT = (
    "To adopt them, create an object with the same namespace and name and adoptionPolicy: IfUnowned; otherwise delete them, "
    "or remove their tag dynconfig.dev/owner."
)


def command(
    *,
    orphans: Annotated[
        bool,
        typer.Option("--orphans", help="Report AWS resources of this cluster whose object does not exist. Required."),
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region", help="Region to search in addition to those of the operator and the objects. May be repeated."
        ),
    ] = None,
    output: options.Format = Output.TEXT,
) -> None:
    """Report AWS resources whose owner tag has the uid of an object that no longer exists.

    Roles, schedules and dashboards are not in the AWS tag index and are read one by one. Roles
    and dashboards are account-wide.

    Searches the regions that exist and that DYNCONFIG_REGIONS allows, and those of --region. If
    one search fails, the error is reported and the others continue. Accounts of AWSTargets are not
    searched, which counts as a failed search.

    Exit code 0: no orphans; 2: orphans found; 1: error, even in a single search.

    Example: dynconfig report --orphans --region us-east-1 -o json
    """
    if not orphans:
        raise Failed("nothing to report; use: dynconfig report --orphans")
    found, failures = _found(region or [])
    if output is Output.JSON:
        options.print_json([_document(orphan) for orphan in found])
    else:
        _show(found, failures)
    for name, error in failures.items():
        Terminal.err().failure(f"{name}: {error}")
    if failures:
        raise Failed(
            f"{len(failures)} {agreeing(len(failures), 'search', 'searches')} failed; see above, then run the command again"
        )
    raise typer.Exit(CHANGES if found else 0)


def _found(regions: list[str]) -> "tuple[list[Orphan], dict[str, str]]":
    """Return the orphans, and the errors of failed searches by their name."""
    from dynconfig import wiring
    from dynconfig.cli import cluster
    from dynconfig.engine.orphans import Orphan, region_in_use
    from dynconfig.model.errors import DynConfigError
    from dynconfig.settings import Settings

    settings = Settings.from_environment(os.environ)
    with cluster.reading() as reader:
        documents = reader.objects(None)[0]
        cluster_id = settings.cluster_id or reader.cluster_id()
        failures = dict(_unsearched(reader))
    uids = frozenset(document["metadata"]["uid"] for document in documents)
    default = wiring.default_region(settings)
    used = {region_in_use(document, default) for document in documents}
    used.intersection_update(wiring.searched_regions(settings, default))
    found = list[Orphan]()
    about = (cluster_id, uids)
    searches: list[wiring.Search] = []
    for name in sorted({default, *regions, *used}):
        searches.append((name, partial(wiring.orphans, settings, name, *about)))
        if wiring.is_region(name):
            searches.append((f"schedules in {name}", partial(wiring.schedule_orphans, settings, name, *about)))
    for title, search in (*searches, *wiring.unindexed_orphans(settings, default, *about)):
        try:
            found += search()
        except DynConfigError as error:
            failures[title] = str(error)
    return found, failures


def _unsearched(reader: "Reader") -> "Iterator[tuple[str, str]]":
    """Yield the targets, whose accounts no command searches, each with the reason."""
    from dynconfig.kube.responses import ApiRefused

    try:
        for document in reader.targets():
            spec = document.get("spec") or {}
            place = f"account {spec.get('account')} was not searched in {spec.get('region')}"
            yield f"AWSTarget {document['metadata']['name']}", f"{place}, since commands do not assume roles of targets"
    except ApiRefused as error:
        yield "AWSTargets", f"their accounts were not searched: {error}"


def _show(found: "list[Orphan]", failures: "dict[str, str]") -> None:
    out = Terminal.out()
    if not found:
        out.line("The other searches found no orphans." if failures else "No orphans found.")
        return
    out.table(HEADINGS, [(each.owner.title, each.region, each.arn) for each in found], ["yellow"] * len(found))
    out.line(f"{counted(len(found), 'orphan')}. {WAY_OUT}")


def _document(orphan: "Orphan") -> dict[str, str]:
    owner = orphan.owner
    return {
        "namespace": owner.namespace,
        "name": owner.name,
        "uid": owner.uid,
        "region": orphan.region,
        "arn": orphan.arn,
    }

"""`dynconfig report`."""

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dynconfig.cli import options
from dynconfig.cli.failures import CHANGES, Failed
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.engine.counting import counted

if TYPE_CHECKING:
    from dynconfig.engine.orphans import Orphan

HEADINGS = ("OWNER", "REGION", "RESOURCE")
WAY_OUT = (
    "To take them over, create an object of the same namespace and name with adoptionPolicy: IfUnowned; else delete them, or "
    "remove their tag dynconfig.dev/owner."
)


def command(
    *,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="AWS resources of this cluster whose object does not exist. Required.")
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region", help="A region to look in, beside the operator's and those of objects. Repeat for more."
        ),
    ] = None,
    output: options.Format = Output.TEXT,
) -> None:
    """Report AWS resources whose owner tag names an object that is gone, by its uid.

    Roles, schedules and dashboards are not in AWS's index of tags, and are read one by one. Roles and dashboards belong to
    the whole account.

    Only regions that exist and that DYNCONFIG_REGIONS allows are searched, and those of --region.
    A search that fails is reported, and the others are made nevertheless.

    Exit code 0: there are none; 2: there are some; 1: error, also in a single search.

    Example: dynconfig report --orphans --region us-east-1 -o json
    """
    if not orphans:
        raise Failed("say what to report: dynconfig report --orphans")
    found, failures = _found(region or [])
    if output is Output.JSON:
        options.print_json([_document(orphan) for orphan in found])
    else:
        _show(found, failures)
    for name, error in failures.items():
        Terminal.err().failure(f"{name}: {error}")
    if failures:
        raise Failed(f"{counted(len(failures), 'part')} could not be searched; see above, then run the command again")
    raise typer.Exit(CHANGES if found else 0)


def _found(regions: list[str]) -> "tuple[list[Orphan], dict[str, str]]":
    """The orphans, and why a region could not be searched, by its name."""
    from dynconfig import cluster, wiring
    from dynconfig.engine.errors import DynConfigError
    from dynconfig.engine.orphans import Orphan, region_in_use
    from dynconfig.settings import Settings

    settings = Settings.from_environment(os.environ)
    with cluster.reading() as reader:
        documents = reader.objects(None)[0]
        cluster_id = settings.cluster_id or reader.cluster_id()
    uids = frozenset(document["metadata"]["uid"] for document in documents)
    default = wiring.default_region(settings)
    used = {region_in_use(document, default) for document in documents}
    used.intersection_update(wiring.searched_regions(settings, default))
    found, failures = list[Orphan](), dict[str, str]()
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


def _show(found: "list[Orphan]", failures: "dict[str, str]") -> None:
    out = Terminal.out()
    if not found:
        out.line("No other search found orphans." if failures else "There are no orphans.")
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

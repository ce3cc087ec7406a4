"""`dynconfig report`."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dynconfig import wiring
from dynconfig.cli import options
from dynconfig.cli.accounts import Accounts
from dynconfig.cli.failures import CHANGES, Failed
from dynconfig.cli.files import Document
from dynconfig.cli.options import Output
from dynconfig.cli.terminal import Terminal
from dynconfig.engine.orphans import Orphan, region_in_use
from dynconfig.model.counting import agreeing, counted
from dynconfig.model.errors import DynConfigError
from dynconfig.model.stored import target_of
from dynconfig.settings import Settings

if TYPE_CHECKING:
    from dynconfig.kube.reader import Reader

About = tuple[str, frozenset[str]]
"""The ID of the cluster, and the UIDs of its objects."""

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
    one search fails, the error is reported and the others continue. The account of each AWSTarget
    is searched in its region, with its role: your credentials must be allowed to assume it.

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


def _found(regions: list[str]) -> tuple[list[Orphan], dict[str, str]]:
    """Return the orphans, and the errors of failed searches by their name."""
    from dynconfig.cli import cluster

    settings = Settings.from_environment(os.environ)
    with cluster.reading() as reader:
        documents = reader.objects(None)[0]
        targets, failures = _targets(reader)
        known = cluster.known_targets(reader, settings)
    known = replace(known, find=targets.get)
    about = (known.id, frozenset(document["metadata"]["uid"] for document in documents))
    accounts = Accounts(settings, known)
    searches = [*_own_searches(accounts.own, settings, documents, regions, about)]
    for name, document in targets.items():
        title = f"AWSTarget {name}"
        try:
            target = accounts.target(name)
            searches += _searches(accounts.clients(target), target.region, about, f" of {title}")
        except DynConfigError as error:
            spec = document.get("spec") or {}
            failures[title] = f"account {spec.get('account')} was not searched in {spec.get('region')}: {error}"
    # Several targets may be in one account.
    found = dict[str, Orphan]()
    for title, search in searches:
        try:
            found |= {orphan.arn: orphan for orphan in search()}
        except DynConfigError as error:
            failures[title] = str(error)
    return list(found.values()), failures


def _targets(reader: "Reader") -> tuple[dict[str, Document], dict[str, str]]:
    """Return the AWSTargets by name, or why they are unknown."""
    from dynconfig.kube.responses import ApiRefused

    try:
        return {document["metadata"]["name"]: document for document in reader.targets()}, {}
    except ApiRefused as error:
        return {}, {"AWSTargets": f"their accounts were not searched: {error}"}


def _own_searches(
    own: wiring.Clients, settings: Settings, documents: list[Document], regions: list[str], about: About
) -> Iterator[wiring.Search]:
    """Yield the searches in the account of the caller's credentials."""
    default = wiring.default_region(settings)
    used = {region_in_use(each, default) for each in documents if not target_of(each, settings.default_target)}
    used.intersection_update(wiring.searched_regions(settings, default))
    for region in sorted({default, *regions, *used}):
        yield from _searches_in(own, region, about)
    yield from wiring.unindexed_orphans(own, default, *about)


def _searches(clients: wiring.Clients, region: str, about: About, suffix: str) -> Iterator[wiring.Search]:
    """Yield the searches in the account of a target."""
    for title, search in (*_searches_in(clients, region, about), *wiring.unindexed_orphans(clients, region, *about)):
        yield f"{title}{suffix}", search


def _searches_in(clients: wiring.Clients, region: str, about: About) -> Iterator[wiring.Search]:
    yield region, partial(wiring.orphans, clients, region, *about)
    if wiring.is_region(region):
        yield f"schedules in {region}", partial(wiring.schedule_orphans, clients, region, *about)


def _show(found: list[Orphan], failures: "dict[str, str]") -> None:
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

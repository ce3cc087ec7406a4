"""Reads what a report is about: the cluster and, for unmanaged parameters, AWS with the credentials of the user."""

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from dynconfig.api.status import Reason
from dynconfig.cli import cluster
from dynconfig.cli.audit.evidence import Evidence, Unmanaged
from dynconfig.cli.audit.objects import AuditedObject, audited
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiRefused
from dynconfig.model.errors import DynConfigError
from dynconfig.model.stored import is_parameter_name
from dynconfig.model.timestamps import timestamp
from dynconfig.settings import Settings

_DRIFT = (Reason.DRIFT_FOUND, Reason.DRIFT_CORRECTED)


def read(namespace: str | None, *, everywhere: bool, unmanaged: bool) -> Evidence:
    """Read the objects of a namespace or of all; what else cannot be read is in `not_read`.

    Raises NoCluster, ApiRefused, ApiUnavailable, BadSetting.
    """
    now = time.time()
    with cluster.reading() as reader:
        inside = None if everywhere else namespace or reader.namespace
        objects = [audited(document, now) for document in reader.each_object(inside)]
        scope = "all namespaces" if inside is None else f"namespace {inside}"
        found = Evidence(scope, timestamp(now), objects, [] if unmanaged else None)
        _read_events(reader, inside, found)
        _read_targets(reader, found, everywhere=everywhere)
    if found.unmanaged is not None:
        found.unmanaged.extend(_unmanaged(found))
    return found


def _read_events(reader: Reader, namespace: str | None, found: Evidence) -> None:
    try:
        found.events.extend(event for event in reader.events(namespace) if event.get("reason") in _DRIFT)
    except ApiRefused as error:
        found.not_read["Drift history"] = str(error)


def _read_targets(reader: Reader, found: Evidence, *, everywhere: bool) -> None:
    """Read the targets in use, or all for a report on all namespaces. Users of one namespace often may not list them."""
    used = {each.place.target for each in found.objects} - {""}
    if not (used or everywhere):
        return
    try:
        found.targets.extend(each for each in reader.targets() if everywhere or each["metadata"]["name"] in used)
    except ApiRefused as error:
        found.not_read["Targets"] = str(error)


def _unmanaged(found: Evidence) -> Iterator[Unmanaged]:
    """Yield the parameters without an owner below the paths of the objects, in the account of the credentials."""
    # Slow to import, and only needed here.
    from dynconfig import wiring

    settings = Settings.from_environment(os.environ)
    account, place_of = wiring.account(wiring.session(settings), settings), found.place_of()
    regions: dict[str, list[AuditedObject]] = {}
    for each in found.objects:
        place = place_of(each)
        there = place.account or (f"of AWSTarget {place.target}" if place.target else account)
        if there == account:
            regions.setdefault(place.region or wiring.default_region(settings), []).append(each)
        else:
            found.not_read[f"Unmanaged parameters in account {there}"] = f"the credentials belong to account {account}"
    for region, objects in sorted(regions.items()):
        try:
            for item in _search(settings, region, objects):
                yield Unmanaged(
                    account=account,
                    region=region,
                    name=item["Name"],
                    type=item["Type"],
                    version=item["Version"],
                    last_modified=timestamp(item["LastModifiedDate"].timestamp()),
                    last_modified_by=item.get("LastModifiedUser", ""),
                )
        except DynConfigError as error:
            found.not_read[f"Unmanaged parameters in {region}"] = str(error)


def _search(settings: Settings, region: str, objects: Iterable[AuditedObject]) -> Iterator[dict[str, Any]]:
    from dynconfig import wiring

    # A path is not validated: the API server accepts some that AWS rejects, with all others in the same request.
    paths = {f"{each.path}/" for each in objects if is_parameter_name(each.path)}
    outer: list[str] = []
    for path in sorted(paths):
        if not outer or not path.startswith(outer[-1]):
            outer.append(path)
    known = {item.name for each in objects for item in each.managed}
    return (
        item
        for item in wiring.unowned_parameters(settings, region, [path.rstrip("/") for path in outer])
        if item["Name"] not in known
    )

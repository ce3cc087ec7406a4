"""The tables of a report, the same in the terminal, in JSON and in HTML. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from dynconfig.api.status import ConditionType
from dynconfig.cli.audit.evidence import Evidence, Unmanaged
from dynconfig.cli.audit.objects import AuditedObject
from dynconfig.cli.object_status import ObjectStage
from dynconfig.model.stored import spec_of

Cell = str | int | bool | tuple[str, ...] | None
Row = tuple[Cell, ...]


class Style(Enum):
    """How HTML shows a column."""

    TEXT = auto()
    CODE = auto()
    """A name in AWS."""
    NUMBER = auto()
    TIME = auto()
    BADGE = auto()
    WIDE = auto()
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in JSON, its heading, and its style."""

    key: str
    heading: str
    style: Style = Style.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a report."""

    key: str
    title: str
    about: str
    """What it lists, in one sentence."""
    columns: tuple[Column, ...]
    rows: list[Row]
    is_printed: bool = True
    """Whether it is shown in the terminal, too."""


def _columns(*columns: tuple[str, str] | tuple[str, str, Style]) -> tuple[Column, ...]:
    return tuple(Column(*each) for each in columns)


_PLACE = (("account", "Account"), ("region", "Region"), ("namespace", "Namespace"))
_OBJECT = (*_PLACE, ("name", "Object"))
_PLACES = _columns(
    *_PLACE,
    ("objects", "Objects", Style.NUMBER),
    ("ready", "Ready", Style.NUMBER),
    ("baking", "Baking", Style.NUMBER),
    ("working", "Working", Style.NUMBER),
    ("stalled", "Stalled", Style.NUMBER),
    ("drifted", "Drifted", Style.NUMBER),
    ("resources", "Resources", Style.NUMBER),
    ("plaintextSecrets", "Plaintext secrets", Style.NUMBER),
)
_OBJECTS = _columns(
    *_OBJECT,
    ("stage", "State", Style.BADGE),
    ("drifted", "Drifted", Style.BADGE),
    ("inSync", "In sync", Style.NUMBER),
    ("resources", "Resources", Style.NUMBER),
    ("target", "Target"),
    ("path", "Path", Style.CODE),
    ("deletionPolicy", "Deletion policy"),
    ("managers", "Written by", Style.WIDE),
    ("observed", "Observed", Style.TIME),
    ("message", "Message", Style.WIDE),
)
_DRIFT = _columns(
    *_OBJECT,
    ("resource", "Resource", Style.CODE),
    ("field", "Field"),
    ("declared", "Declared", Style.CODE),
    ("observed", "Observed", Style.CODE),
    ("since", "Since", Style.TIME),
    ("lastModifiedBy", "Changed by", Style.CODE),
)
_EVENTS = _columns(
    ("time", "Last time", Style.TIME),
    ("namespace", "Namespace"),
    ("name", "Object"),
    ("reason", "Event", Style.BADGE),
    ("count", "Times", Style.NUMBER),
    ("message", "Message", Style.WIDE),
)
_ROLLBACKS = _columns(
    ("time", "Time", Style.TIME),
    *_OBJECT,
    ("generation", "Generation", Style.NUMBER),
    ("to", "Restored revision", Style.CODE),
    ("reason", "Reason", Style.WIDE),
    ("changed", "Changed parameters", Style.CODE),
)
_PLAINTEXT = _columns(
    *_OBJECT, ("parameter", "Parameter", Style.CODE), ("type", "Type"), ("secret", "Secret and key", Style.CODE)
)
_UNMANAGED = _columns(
    ("account", "Account"),
    ("region", "Region"),
    ("parameter", "Parameter", Style.CODE),
    ("type", "Type"),
    ("version", "Version", Style.NUMBER),
    ("lastModified", "Last modified", Style.TIME),
    ("lastModifiedBy", "Last modified by", Style.CODE),
)
_TARGETS = _columns(
    ("name", "Target"),
    ("account", "Account"),
    ("region", "Region"),
    ("ready", "State", Style.BADGE),
    ("objects", "Objects", Style.NUMBER),
    ("role", "Role", Style.CODE),
    ("lastChecked", "Checked", Style.TIME),
    ("message", "Message", Style.WIDE),
)
_RESOURCES = _columns(
    *_OBJECT,
    ("kind", "Kind"),
    ("resource", "Resource", Style.CODE),
    ("type", "Type"),
    ("version", "Version", Style.NUMBER),
    ("lastModified", "Last modified", Style.TIME),
    ("deletionPolicy", "Deletion policy"),
    ("arn", "ARN", Style.CODE),
)


def tables(found: Evidence) -> tuple[Table, ...]:
    """Return the tables of a report, in the order in which they are shown; objects sorted by account, region and namespace."""
    place_of = found.place_of()
    places = ((place_of(each), each) for each in found.objects)
    placed = sorted(
        (((place.account, place.region, each.namespace, each.name), each) for place, each in places),
        key=lambda pair: pair[0],
    )
    return (
        Table("places", "Places", "Objects and resources by account, region and namespace.", _PLACES, _places(placed)),
        Table("drift", "Drift now", "Fields that differ in AWS and are not corrected.", _DRIFT, list(_drift(placed))),
        Table(
            "driftHistory",
            "Drift history",
            "Kubernetes Events about drift, which the API server keeps for an hour unless --event-ttl says otherwise.",
            _EVENTS,
            sorted((_event(each) for each in found.events), key=lambda row: str(row[0]), reverse=True),
        ),
        Table(
            "rollbacks",
            "Rollbacks",
            "Changes that were rolled back, in the last ten revisions of each object.",
            _ROLLBACKS,
            sorted(_rollbacks(placed), key=lambda row: str(row[0]), reverse=True),
        ),
        Table(
            "plaintextSecrets",
            "Secrets in plaintext",
            "Parameters with a value from a Secret that AWS stores as String or StringList (allowPlaintext).",
            _PLAINTEXT,
            [(*where, item.name, item.type, item.secret) for where, each in placed for item in each.plaintext],
        ),
        *_unmanaged(found.unmanaged),
        Table(
            "objects", "Objects", "Who wrote each object, and what its status says.", _OBJECTS, list(_objects(placed))
        ),
        Table("targets", "Targets", "AWSTargets, and the last check of their account.", _TARGETS, _targets(found)),
        Table(
            "resources",
            "Resources",
            "Everything in AWS that is managed, with what happens when its object is deleted.",
            _RESOURCES,
            list(_resources(placed)),
            is_printed=False,
        ),
    )


def document(found: Evidence, listed: Sequence[Table]) -> dict[str, Any]:
    """Return a report as JSON: for each table a list of its rows."""
    lists = {
        table.key: [dict(zip((each.key for each in table.columns), row, strict=True)) for row in table.rows]
        for table in listed
    }
    return {"scope": found.scope, "time": found.time, "notRead": found.not_read, **lists}


Placed = Sequence[tuple[tuple[str, str, str, str], AuditedObject]]


def _places(placed: Placed) -> list[Row]:
    stages, sums = Counter[tuple[tuple[str, ...], str]](), Counter[tuple[tuple[str, ...], str]]()
    for (*where, _name), each in placed:
        place = tuple(where)
        stages[place, each.stage] += 1
        sums[place, "drifted"] += each.is_drifted
        sums[place, "resources"] += len(each.managed)
        sums[place, "plaintext"] += len(each.plaintext)
    listed = (ObjectStage.READY, ObjectStage.BAKING, ObjectStage.WORKING, ObjectStage.STALLED)
    return [
        (
            *place,
            sum(stages[place, stage] for stage in listed),
            *(stages[place, stage] for stage in listed),
            *(sums[place, name] for name in ("drifted", "resources", "plaintext")),
        )
        for place in dict.fromkeys(place for place, _ in stages)
    ]


def _objects(placed: Placed) -> Iterator[Row]:
    for where, each in placed:
        state = (each.stage, each.is_drifted, each.in_sync, len(each.managed))
        rest = (each.place.target, each.path, each.deletion_policy, each.managers, each.observed, each.message)
        yield *where, *state, *rest


def _drift(placed: Placed) -> Iterator[Row]:
    keys = ("resource", "field", "declared", "observed", "since", "lastModifiedBy")
    return ((*where, *(item.get(key) for key in keys)) for where, each in placed for item in each.drift)


def _rollbacks(placed: Placed) -> Iterator[Row]:
    for where, each in placed:
        for item in each.rollbacks:
            yield item.time, *where, item.generation, item.to, item.reason, item.changed


def _resources(placed: Placed) -> Iterator[Row]:
    for where, each in placed:
        for item in each.managed:
            details = (item.type, item.version, item.last_modified, item.deletion_policy, item.arn)
            yield *where, item.kind, item.name, *details


def _event(event: Mapping[str, Any]) -> Row:
    about = event.get("involvedObject") or {}
    time = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    named = (about.get("namespace"), about.get("name"))
    return time, *named, event.get("reason"), event.get("count") or 1, event.get("message")


def _unmanaged(found: list[Unmanaged] | None) -> Iterator[Table]:
    if found is None:
        return
    about = "Parameters below the paths of the objects without an owner tag of any operator."
    rows: list[Row] = [
        (each.account, each.region, each.name, each.type, each.version, each.last_modified, each.last_modified_by)
        for each in found
    ]
    yield Table("unmanaged", "Unmanaged parameters", about, _UNMANAGED, rows)


def _targets(found: Evidence) -> list[Row]:
    return [_target(target) for target in sorted(found.targets, key=lambda target: str(target["metadata"]["name"]))]


def _target(document: Mapping[str, Any]) -> Row:
    spec, status = spec_of(document), document.get("status") or {}
    ready: Mapping[str, Any] = next(
        (item for item in status.get("conditions") or () if item["type"] == ConditionType.READY), {}
    )
    return (
        document["metadata"]["name"],
        spec.get("account"),
        spec.get("region"),
        ObjectStage.READY.value if ready.get("status") == "True" else ready.get("reason", "Unknown"),
        status.get("objects"),
        (spec.get("assumeRole") or {}).get("roleArn"),
        status.get("lastCheckedTime"),
        ready.get("message"),
    )

"""The CloudWatch dashboard of a configuration.

Who owns it stands in its text widget, not in a tag: one call then reads what it shows and whose it is.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import NotFound
from dynconfig.engine.naming import PREFIX
from dynconfig.engine.resource import Resource, Scope
from dynconfig.kinds.dashboard_body import Board, Document, apart, body, disowned, owner_in
from dynconfig.kinds.documents import canonical
from dynconfig.kinds.tags import Pairs

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard(Resource):
    """A dashboard; the body as canonical JSON, and apart from it the revisions that its charts mark."""

    kind: ClassVar[str] = "Dashboard"
    body: str
    revisions: Pairs = field(default=(), metadata={"derived": True})
    """A new revision is one write, and never somebody else's change."""
    written: str = field(default="", repr=False, metadata={"compare": False})
    """All of it, as it is written."""


class Dashboards:
    """Keeps the dashboards of one place. All regions of an account share their names, so each has its region in it."""

    value = Dashboard
    goes_with = ("Function", "Attachment")
    stands_alone = True

    def __init__(self, cloudwatch: "CloudWatchClient", arns: Arns) -> None:
        self._cloudwatch = cloudwatch
        self._arns = arns

    def desired(self, declaration: Declaration) -> Iterable[Dashboard]:
        """The dashboard, where one is declared."""
        if declaration.dashboard:
            yield _dashboard(declaration.names.dashboard, body(board_of(declaration, self._arns)))

    def observe(self, scope: Scope, desired: Sequence[Dashboard]) -> Iterator[Dashboard]:
        """Each dashboard that is desired, listed or named after the owner."""
        is_marked = any(dashboard.revisions for dashboard in desired)
        for name in scope.where(Dashboard.kind, desired, scope.names.dashboard):
            try:
                answer = self._cloudwatch.get_dashboard(DashboardName=name)
            except NotFound:
                continue
            found = _dashboard(name, json.loads(answer["DashboardBody"]))
            # Whoever knows of no revisions has nothing to say of those that are marked.
            yield found if is_marked else replace(found, revisions=())

    def refuse(self, desired: Dashboard, observed: Dashboard | None) -> None:
        """Nothing that the CRD does not refuse."""

    def put(self, desired: Dashboard, observed: Dashboard | None) -> Dashboard:
        """Create or replace: both are one call, which leaves nothing of what was there."""
        self._cloudwatch.put_dashboard(DashboardName=desired.name, DashboardBody=desired.written)
        return desired

    def delete(self, observed: Sequence[Dashboard]) -> None:
        """Delete."""
        for dashboard in observed:
            try:
                self._cloudwatch.delete_dashboards(DashboardNames=[dashboard.name])
            except NotFound:
                continue

    def release(self, observed: Dashboard) -> None:
        """Take the owner out of its text."""
        text = canonical(disowned(json.loads(observed.written)))
        self._cloudwatch.put_dashboard(DashboardName=observed.name, DashboardBody=text)


def board_of(declaration: Declaration, arns: Arns) -> Board:
    """What the dashboard of a declaration shows: its function and its alarms, where it has them."""
    listed = declaration.alarms.names if declaration.alarms else ()
    return Board(
        title=declaration.owner.title,
        path=declaration.path,
        region=declaration.place.region,
        owner=declaration.owner.tag,
        function=declaration.names.function if declaration.function else "",
        alarms=tuple(arns.alarm(declaration.names.alarm(name)) for name in listed),
        revisions=declaration.marks,
    )


def _dashboard(name: str, document: Document) -> Dashboard:
    bare, revisions = apart(document)
    return Dashboard(
        name=name,
        owner=owner_in(document),
        body=canonical(bare),
        revisions=revisions,
        written=canonical(document),
    )


def owner_tags(cloudwatch: "CloudWatchClient") -> Iterator[tuple[str, str]]:
    """ARN and owner of the dashboards of the account, which all regions share, whose names begin as this operator's do.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListDashboards.html
    """
    pages = cloudwatch.get_paginator("list_dashboards").paginate(DashboardNamePrefix=PREFIX)
    for found in (item for page in pages for item in page["DashboardEntries"]):
        with suppress(NotFound):
            answer = cloudwatch.get_dashboard(DashboardName=found["DashboardName"])
            yield found["DashboardArn"], owner_in(json.loads(answer["DashboardBody"]))

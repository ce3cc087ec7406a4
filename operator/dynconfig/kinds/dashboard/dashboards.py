"""The CloudWatch dashboard of a configuration.

Its owner is recorded in the text widget, not in a tag, so that one call reads both the body and the owner.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.documents import canonical
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.kinds.dashboard.body import Board, Document, apart, body, disowned, owner_in
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotFound
from dynconfig.model.naming import PREFIX
from dynconfig.model.resource import Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard(Resource):
    """A dashboard: the body as canonical JSON, and separately the revisions that its charts mark."""

    kind: ClassVar[str] = "Dashboard"
    body: str
    revisions: Pairs = field(default=(), metadata={"derived": True})
    """Separate from the body: a new revision is an update, never drift."""
    written: str = field(default="", repr=False, metadata={"compare": False})
    """The complete body, as written to AWS."""


class Dashboards:
    """Manage the dashboards of one place. Names are shared by all regions of an account, so they include the region."""

    value = Dashboard
    named_after = ("Function", "Attachment")
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._cloudwatch: CloudWatchClient = context.client("cloudwatch")
        self._arns = context.arns

    def desired(self, declaration: Declaration) -> Iterable[Dashboard]:
        """Return the dashboard, if one is declared."""
        if declaration.dashboard:
            yield _dashboard(declaration.names.dashboard, body(board_of(declaration, self._arns)))

    def observe(self, scope: Scope, desired: Sequence[Dashboard]) -> Iterator[Dashboard]:
        """Return each dashboard that is desired, reported or named after the owner."""
        is_marked = any(dashboard.revisions for dashboard in desired)
        for name in scope.where(Dashboard.kind, desired, *(names.dashboard for names in scope.names.versions)):
            try:
                answer = self._cloudwatch.get_dashboard(DashboardName=name)
            except NotFound:
                continue
            found = _dashboard(name, json.loads(answer["DashboardBody"]))
            # Without known revisions, the marked ones are not compared.
            yield found if is_marked else replace(found, revisions=())

    def refuse(self, desired: Dashboard, observed: Dashboard | None) -> None:
        """Nothing to check: the CRD validates all fields."""

    def put(self, desired: Dashboard, observed: Dashboard | None) -> Dashboard:
        """Create or replace the dashboard; both are the same call."""
        self._cloudwatch.put_dashboard(DashboardName=desired.name, DashboardBody=desired.written)
        return desired

    def delete(self, observed: Sequence[Dashboard]) -> None:
        """Delete the dashboards."""
        for dashboard in observed:
            try:
                self._cloudwatch.delete_dashboards(DashboardNames=[dashboard.name])
            except NotFound:
                continue

    def release(self, observed: Dashboard) -> None:
        """Remove the owner from its text."""
        text = canonical(disowned(json.loads(observed.written)))
        self._cloudwatch.put_dashboard(DashboardName=observed.name, DashboardBody=text)


def board_of(declaration: Declaration, arns: Arns) -> Board:
    """Return what the dashboard of a declaration shows: its function and alarms, if any."""
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
    """Yield ARN and owner of the account's dashboards with the operator's name prefix, in all regions.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListDashboards.html
    """
    pages = cloudwatch.get_paginator("list_dashboards").paginate(DashboardNamePrefix=PREFIX)
    for found in (item for page in pages for item in page["DashboardEntries"]):
        with suppress(NotFound):
            answer = cloudwatch.get_dashboard(DashboardName=found["DashboardName"])
            yield found["DashboardArn"], owner_in(json.loads(answer["DashboardBody"]))

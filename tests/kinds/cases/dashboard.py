"""The dashboard."""

import json
from collections.abc import Callable
from typing import Any

from tests.kinds.cases.case import Case, Deed
from tests.kinds.workshop import Workshop

from dynconfig.kinds.dashboard import Dashboard


def name_of(workshop: Workshop) -> str:
    return f"{workshop.name}-eu-west-1"


def shown(workshop: Workshop) -> Any:
    """The body in AWS, parsed."""
    return json.loads(workshop.aws("cloudwatch").get_dashboard(DashboardName=name_of(workshop))["DashboardBody"])


def edited(change: Callable[[Any], object]) -> Deed:
    """Somebody edits the dashboard in the console, which saves it in a form of its own."""

    def deed(workshop: Workshop) -> None:
        body = shown(workshop)
        change(body)
        text = json.dumps(body, indent=4)
        workshop.aws("cloudwatch").put_dashboard(DashboardName=name_of(workshop), DashboardBody=text)

    return deed


def retitle(body: Any) -> None:
    body["widgets"][1]["properties"]["title"] = "theirs"


def mark(body: Any) -> None:
    for widget in body["widgets"]:
        if widget["type"] == "metric":
            marks = [{"value": "2026-11-24T10:00:00Z", "label": "theirs"}]
            widget["properties"]["annotations"] = {"vertical": marks}


def create(workshop: Workshop, name: str) -> None:
    workshop.aws("cloudwatch").put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')


def listed(workshop: Workshop) -> set[str]:
    found = workshop.aws("cloudwatch").list_dashboards(DashboardNamePrefix=workshop.name)
    return {entry["DashboardName"] for entry in found["DashboardEntries"]}


DASHBOARD = Case(
    value=Dashboard,
    base={"function": {}, "dashboard": True},
    edits={"body": {"function": {}, "alarms": {}, "dashboard": True}},
    tampers={"body": edited(retitle)},
    listed=listed,
    neighbour=lambda workshop: create(workshop, f"{name_of(workshop)}-theirs"),
    stranger=lambda workshop: create(workshop, name_of(workshop)),
    writes=("cloudwatch.PutDashboard", "cloudwatch.DeleteDashboards"),
    busy="ConflictException",
    fixed=frozenset({"revisions"}),
    out_of_reach=frozenset({"revisions"}),
)

"""The dashboard."""

import json
from collections.abc import Callable
from typing import Any

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, ExternalAction

from dynconfig.kinds.dashboard.dashboards import Dashboard


def name_of(harness: AwsHarness) -> str:
    return f"{harness.name}-eu-west-1"


def shown(harness: AwsHarness) -> Any:
    """The body in AWS, parsed."""
    return json.loads(harness.aws("cloudwatch").get_dashboard(DashboardName=name_of(harness))["DashboardBody"])


def edited(change: Callable[[Any], object]) -> ExternalAction:
    """Edit the dashboard like the console, which saves it in its own format."""

    def deed(harness: AwsHarness) -> None:
        body = shown(harness)
        change(body)
        text = json.dumps(body, indent=4)
        harness.aws("cloudwatch").put_dashboard(DashboardName=name_of(harness), DashboardBody=text)

    return deed


def retitle(body: Any) -> None:
    body["widgets"][1]["properties"]["title"] = "theirs"


def mark(body: Any) -> None:
    for widget in body["widgets"]:
        if widget["type"] == "metric":
            marks = [{"value": "2026-11-24T10:00:00Z", "label": "theirs"}]
            widget["properties"]["annotations"] = {"vertical": marks}


def create(harness: AwsHarness, name: str) -> None:
    harness.aws("cloudwatch").put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')


def listed(harness: AwsHarness) -> set[str]:
    found = harness.aws("cloudwatch").list_dashboards(DashboardNamePrefix=harness.name)
    return {entry["DashboardName"] for entry in found["DashboardEntries"]}


DASHBOARD = Case(
    value=Dashboard,
    base={"function": {}, "dashboard": True},
    feature={"dashboard": True},
    edits={"body": {"function": {}, "alarms": {}, "dashboard": True}},
    tampers={"body": edited(retitle)},
    list_names=listed,
    create_similar=lambda harness: create(harness, f"{name_of(harness)}-theirs"),
    create_foreign=lambda harness: create(harness, name_of(harness)),
    writes=("cloudwatch.PutDashboard", "cloudwatch.DeleteDashboards"),
    busy="ConflictException",
    not_editable=frozenset({"revisions"}),
    not_tamperable=frozenset({"revisions"}),
)

"""The dashboard: compared as JSON, owner in its text, revisions as annotations."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.dashboard import edited, listed, mark, name_of, shown

from dynconfig.api.spec import DriftPolicy
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.dashboard.dashboards import Dashboard
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned
from dynconfig.model.plan import AnyKind, drifted

pytestmark = pytest.mark.lab

BASE = {"function": {}, "alarms": {}, "dashboard": True}
PUT = "cloudwatch.PutDashboard"


def kinds(harness: AwsHarness) -> tuple[AnyKind, ...]:
    return harness.kinds(Dashboard)


def puts(harness: AwsHarness, declaration: Declaration) -> int:
    return harness.calls(lambda: harness.settle(declaration, kinds(harness))).get(PUT, 0)


def charts(harness: AwsHarness) -> list[Any]:
    return [widget for widget in shown(harness)["widgets"] if widget["type"] == "metric"]


def test_cloudwatch_accepts_the_body_without_warnings(harness: AwsHarness) -> None:
    (kind,) = kinds(harness)
    (dashboard,) = kind.desired(harness.declare(BASE))
    answer = harness.aws("cloudwatch").put_dashboard(DashboardName=dashboard.name, DashboardBody=dashboard.written)
    assert answer["DashboardValidationMessages"] == []


def test_reformatted_body_is_no_difference(harness: AwsHarness) -> None:
    harness.settle(harness.declare(BASE), kinds(harness))
    edited(lambda _body: None)(harness)
    assert puts(harness, harness.declare(BASE)) == 0


def test_new_revision_is_one_write_and_not_drift(harness: AwsHarness) -> None:
    first = harness.declare(BASE)
    status = harness.status(harness.settle(first, kinds(harness)))
    later = replace(harness.declare(BASE, status=status), revisions=((1_800_000_000.0, "4c1f19fd"),))
    (step,) = Engine(lambda _place: kinds(harness)).assess(later, 0.0).plan.steps
    assert [because.field for because in step.because] == ["revisions"]
    assert not drifted(step, later)
    assert [puts(harness, later), puts(harness, later)] == [1, 0]
    marks = {"value": "2027-01-15T08:00:00Z", "label": "revision 4c1f19fd"}
    assert all(chart["properties"]["annotations"]["vertical"] == [marks] for chart in charts(harness))


def test_annotations_are_kept_if_status_is_lost(harness: AwsHarness) -> None:
    harness.settle(
        replace(harness.declare(BASE), status_lost=False, revisions=((1_800_000_000.0, "4c1f19fd"),)), kinds(harness)
    )
    assert puts(harness, harness.declare(BASE)) == 0
    assert all("annotations" in chart["properties"] for chart in charts(harness))


def test_only_the_last_ten_revisions_are_annotated(harness: AwsHarness) -> None:
    many = tuple((1_800_000_000.0 + number, f"r{number}") for number in range(12))
    harness.settle(replace(harness.declare(BASE), status_lost=False, revisions=many), kinds(harness))
    labels = [mark["label"] for mark in charts(harness)[0]["properties"]["annotations"]["vertical"]]
    assert labels == [f"revision r{number}" for number in range(2, 12)]


@pytest.mark.parametrize("revisions", [(), ((1_800_000_000.0, "4c1f19fd"),)])
def test_annotation_added_to_one_chart_is_removed(harness: AwsHarness, revisions: tuple[Any, ...]) -> None:
    declaration = replace(harness.declare(BASE), revisions=revisions)
    harness.settle(declaration, kinds(harness))
    before = shown(harness)

    def change(body: Any) -> None:
        body["widgets"][2]["properties"]["annotations"] = {
            "vertical": [{"value": "2027-01-15T08:00:00Z", "label": "x"}]
        }

    edited(change)(harness)
    assert puts(harness, declaration) == 1
    assert shown(harness) == before


def test_foreign_annotations_on_all_charts_are_removed_if_revisions_are_known(harness: AwsHarness) -> None:
    declaration = replace(harness.declare(BASE), status_lost=False, revisions=((1_800_000_000.0, "4c1f19fd"),))
    harness.settle(declaration, kinds(harness))
    before = shown(harness)
    edited(mark)(harness)
    (step,) = Engine(lambda _place: kinds(harness)).assess(declaration, 0.0).plan.steps
    assert [because.field for because in step.because] == ["revisions"]
    assert puts(harness, declaration) == 1
    assert shown(harness) == before


def test_horizontal_annotation_added_to_all_charts_is_removed(harness: AwsHarness) -> None:
    harness.settle(harness.declare(BASE), kinds(harness))

    def change(body: Any) -> None:
        for widget in body["widgets"]:
            if widget["type"] == "metric":
                widget["properties"]["annotations"] = {"horizontal": [{"value": 1}]}

    edited(change)(harness)
    assert puts(harness, harness.declare(BASE)) == 1


def test_dashboard_without_owner_is_rejected_until_it_is_deleted(harness: AwsHarness) -> None:
    harness.settle(harness.declare(BASE), kinds(harness))
    edited(lambda body: body["widgets"].pop(0))(harness)
    adopting = harness.declare({**BASE, "adoptionPolicy": "IfUnowned"})
    with pytest.raises(NotOwned, match="has no owner; only parameters can be adopted"):
        harness.settle(adopting, kinds(harness))
    harness.aws("cloudwatch").delete_dashboards(DashboardNames=[adopting.names.dashboard])
    assert [puts(harness, adopting), puts(harness, adopting)] == [1, 0]


def test_dashboard_of_another_object_is_rejected_with_its_owner(harness: AwsHarness) -> None:
    other = harness.owner("other", "uid-9")
    harness.settle(harness.declare({**BASE, "function": {"name": "shared"}}, owner=other), kinds(harness))
    with pytest.raises(NotOwned, match=rf"is owned by {other.title}"):
        harness.settle(harness.declare({**BASE, "function": {"name": "shared"}}), kinds(harness))


def test_dashboard_drift_is_not_corrected_under_report(harness: AwsHarness) -> None:
    status = harness.status(harness.settle(harness.declare(BASE), kinds(harness)))
    edited(lambda body: body["widgets"].pop())(harness)
    reporting = harness.declare({**BASE, "driftPolicy": DriftPolicy.REPORT.value}, status=status)
    outcome = Engine(lambda _place: kinds(harness)).run(reporting)
    assert outcome.applied == ()
    assert [type(step.resource) for step in outcome.drift] == [Dashboard]


def test_dashboard_names_are_unique_per_region(harness: AwsHarness) -> None:
    regions = {"eu-west-1", "us-east-1"}
    for region in regions:
        declaration = harness.declare({**BASE, "region": region})
        harness.settle(declaration, kinds(harness))
    assert listed(harness) == {f"{harness.name}-{region}" for region in regions}


@pytest.mark.parametrize(
    ("spec", "drawn"),
    [
        ({}, ["text"]),
        ({"function": {}}, ["text"] + ["metric"] * 6),
        ({"function": {}, "alarms": {}}, ["text", "alarm"] + ["metric"] * 6),
    ],
)
def test_widgets_without_a_resource_are_omitted(harness: AwsHarness, spec: dict[str, Any], drawn: list[str]) -> None:
    harness.settle(harness.declare({**spec, "dashboard": True}), kinds(harness))
    assert [widget["type"] for widget in shown(harness)["widgets"]] == drawn


def test_malformed_body_can_be_observed(harness: AwsHarness) -> None:
    odd = {
        "widgets": [
            {"type": "text", "properties": {"markdown": ""}},
            {"type": "metric", "properties": {"region": "x", "metrics": []}},
        ]
    }
    text = json.dumps(odd)
    harness.aws("cloudwatch").put_dashboard(DashboardName=name_of(harness), DashboardBody=text)
    with pytest.raises(NotOwned):
        harness.settle(harness.declare(BASE), kinds(harness))

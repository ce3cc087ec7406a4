"""What is special about the dashboard: compared as JSON, owned by its text, marked with revisions."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.kinds.cases.dashboard import edited, listed, mark, name_of, shown
from tests.kinds.workshop import Workshop

from dynconfig.api.spec import DriftPolicy
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import NotOwned
from dynconfig.engine.plan import AnyKind, drifted
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.dashboard import Dashboard

pytestmark = pytest.mark.lab

BASE = {"function": {}, "alarms": {}, "dashboard": True}
PUT = "cloudwatch.PutDashboard"


def kinds(workshop: Workshop) -> tuple[AnyKind, ...]:
    return workshop.kinds(Dashboard)


def puts(workshop: Workshop, declaration: Declaration) -> int:
    return workshop.calls(lambda: workshop.settle(declaration, kinds(workshop))).get(PUT, 0)


def charts(workshop: Workshop) -> list[Any]:
    return [widget for widget in shown(workshop)["widgets"] if widget["type"] == "metric"]


def test_cloudwatch_takes_the_body_without_a_remark(workshop: Workshop) -> None:
    (kind,) = kinds(workshop)
    (dashboard,) = kind.desired(workshop.declare(BASE))
    answer = workshop.aws("cloudwatch").put_dashboard(DashboardName=dashboard.name, DashboardBody=dashboard.written)
    assert answer["DashboardValidationMessages"] == []


def test_the_same_body_in_another_form_is_no_difference(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(BASE), kinds(workshop))
    edited(lambda _body: None)(workshop)
    assert puts(workshop, workshop.declare(BASE)) == 0


def test_a_new_revision_is_one_write_and_never_somebody_elses(workshop: Workshop) -> None:
    first = workshop.declare(BASE)
    status = workshop.status(workshop.settle(first, kinds(workshop)))
    later = replace(workshop.declare(BASE, status=status), revisions=((1_800_000_000.0, "4c1f19fd"),))
    (step,) = Engine(lambda _place: kinds(workshop)).assess(later, 0.0).plan.steps
    assert [because.field for because in step.because] == ["revisions"]
    assert not drifted(step, later)
    assert [puts(workshop, later), puts(workshop, later)] == [1, 0]
    marks = {"value": "2027-01-15T08:00:00Z", "label": "revision 4c1f19fd"}
    assert all(chart["properties"]["annotations"]["vertical"] == [marks] for chart in charts(workshop))


def test_a_report_that_is_lost_with_its_revisions_leaves_the_marks_alone(workshop: Workshop) -> None:
    workshop.settle(
        replace(workshop.declare(BASE), blind=False, revisions=((1_800_000_000.0, "4c1f19fd"),)), kinds(workshop)
    )
    assert puts(workshop, workshop.declare(BASE)) == 0
    assert all("annotations" in chart["properties"] for chart in charts(workshop))


def test_only_the_last_ten_revisions_are_marked(workshop: Workshop) -> None:
    many = tuple((1_800_000_000.0 + number, f"r{number}") for number in range(12))
    workshop.settle(replace(workshop.declare(BASE), blind=False, revisions=many), kinds(workshop))
    labels = [mark["label"] for mark in charts(workshop)[0]["properties"]["annotations"]["vertical"]]
    assert labels == [f"revision r{number}" for number in range(2, 12)]


@pytest.mark.parametrize("revisions", [(), ((1_800_000_000.0, "4c1f19fd"),)])
def test_a_mark_that_somebody_put_on_one_chart_goes(workshop: Workshop, revisions: tuple[Any, ...]) -> None:
    declaration = replace(workshop.declare(BASE), revisions=revisions)
    workshop.settle(declaration, kinds(workshop))
    before = shown(workshop)

    def change(body: Any) -> None:
        body["widgets"][2]["properties"]["annotations"] = {
            "vertical": [{"value": "2027-01-15T08:00:00Z", "label": "x"}]
        }

    edited(change)(workshop)
    assert puts(workshop, declaration) == 1
    assert shown(workshop) == before


def test_other_marks_that_somebody_put_on_all_charts_go_where_revisions_are_known(workshop: Workshop) -> None:
    declaration = replace(workshop.declare(BASE), blind=False, revisions=((1_800_000_000.0, "4c1f19fd"),))
    workshop.settle(declaration, kinds(workshop))
    before = shown(workshop)
    edited(mark)(workshop)
    (step,) = Engine(lambda _place: kinds(workshop)).assess(declaration, 0.0).plan.steps
    assert [because.field for because in step.because] == ["revisions"]
    assert puts(workshop, declaration) == 1
    assert shown(workshop) == before


def test_a_horizontal_line_that_somebody_drew_in_all_charts_goes(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(BASE), kinds(workshop))

    def change(body: Any) -> None:
        for widget in body["widgets"]:
            if widget["type"] == "metric":
                widget["properties"]["annotations"] = {"horizontal": [{"value": 1}]}

    edited(change)(workshop)
    assert puts(workshop, workshop.declare(BASE)) == 1


def test_a_dashboard_that_lost_its_owner_is_refused_until_it_is_deleted(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(BASE), kinds(workshop))
    edited(lambda body: body["widgets"].pop(0))(workshop)
    adopting = workshop.declare({**BASE, "adoptionPolicy": "IfUnowned"})
    with pytest.raises(NotOwned, match="has no owner; only parameters can be adopted"):
        workshop.settle(adopting, kinds(workshop))
    workshop.aws("cloudwatch").delete_dashboards(DashboardNames=[adopting.names.dashboard])
    assert [puts(workshop, adopting), puts(workshop, adopting)] == [1, 0]


def test_the_dashboard_of_another_object_is_refused_by_name(workshop: Workshop) -> None:
    other = workshop.owner("other", "uid-9")
    workshop.settle(workshop.declare({**BASE, "function": {"name": "shared"}}, owner=other), kinds(workshop))
    with pytest.raises(NotOwned, match=rf"is owned by {other.title}"):
        workshop.settle(workshop.declare({**BASE, "function": {"name": "shared"}}), kinds(workshop))


def test_a_drift_is_left_alone_under_report(workshop: Workshop) -> None:
    status = workshop.status(workshop.settle(workshop.declare(BASE), kinds(workshop)))
    edited(lambda body: body["widgets"].pop())(workshop)
    reporting = workshop.declare({**BASE, "driftPolicy": DriftPolicy.REPORT.value}, status=status)
    outcome = Engine(lambda _place: kinds(workshop)).run(reporting)
    assert outcome.applied == ()
    assert [type(step.resource) for step in outcome.drift] == [Dashboard]


def test_each_region_has_its_own_among_the_dashboards_of_the_account(workshop: Workshop) -> None:
    regions = {"eu-west-1", "us-east-1"}
    for region in regions:
        declaration = workshop.declare({**BASE, "region": region})
        workshop.settle(declaration, kinds(workshop))
    assert listed(workshop) == {f"{workshop.name}-{region}" for region in regions}


@pytest.mark.parametrize(
    ("spec", "drawn"),
    [
        ({}, ["text"]),
        ({"function": {}}, ["text"] + ["metric"] * 6),
        ({"function": {}, "alarms": {}}, ["text", "alarm"] + ["metric"] * 6),
    ],
)
def test_what_is_not_declared_is_not_drawn(workshop: Workshop, spec: dict[str, Any], drawn: list[str]) -> None:
    workshop.settle(workshop.declare({**spec, "dashboard": True}), kinds(workshop))
    assert [widget["type"] for widget in shown(workshop)["widgets"]] == drawn


def test_a_body_of_any_shape_can_be_looked_at(workshop: Workshop) -> None:
    odd = {
        "widgets": [
            {"type": "text", "properties": {"markdown": ""}},
            {"type": "metric", "properties": {"region": "x", "metrics": []}},
        ]
    }
    text = json.dumps(odd)
    workshop.aws("cloudwatch").put_dashboard(DashboardName=name_of(workshop), DashboardBody=text)
    with pytest.raises(NotOwned):
        workshop.settle(workshop.declare(BASE), kinds(workshop))

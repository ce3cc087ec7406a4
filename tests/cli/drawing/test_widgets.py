"""From a body and data to a scene."""

from typing import Any

import pytest
from tests.cli.drawing.scenes import BODY, PREFIX, START, drawn, level, states

from dynconfig.cli.drawing.scene import AlarmsPanel, AlarmState, ChartPanel, Mark, TextPanel
from dynconfig.cli.drawing.widgets import alarms_in, metrics_in, period_for


def charts(series: Any) -> dict[str, ChartPanel]:
    return {panel.title: panel for panel in drawn(series, {}).panels if isinstance(panel, ChartPanel)}


def test_every_widget_becomes_a_panel_at_its_position() -> None:
    boxes = {(panel.box.x, panel.box.y, panel.box.width, panel.box.height) for panel in drawn({}, {}).panels}
    assert boxes == {tuple(widget[key] for key in ("x", "y", "width", "height")) for widget in BODY["widgets"]}


def test_each_metric_is_requested_once_with_its_statistic() -> None:
    durations = [metric for metric in metrics_in(BODY) if metric.name == "Duration"]
    assert [metric.stat for metric in durations] == ["Average", "p99"]
    assert durations[0].dimensions == (("FunctionName", "dynconfig-shop-myapp"),)
    assert len(set(metrics_in(BODY))) == len(metrics_in(BODY))


def test_alarms_are_found_by_name() -> None:
    assert alarms_in(BODY) == (f"{PREFIX}unhealthy", f"{PREFIX}Errors")


def test_alarm_missing_in_cloudwatch_is_shown_as_missing() -> None:
    (panel,) = (panel for panel in drawn({}, states(unhealthy="ALARM")).panels if isinstance(panel, AlarmsPanel))
    assert panel.alarms == (AlarmState(f"{PREFIX}unhealthy", "ALARM", START), AlarmState(f"{PREFIX}Errors"))


def test_counts_are_summarised_as_sum_and_durations_as_maximum() -> None:
    (line,) = charts(level("Invocations", 10))["Invocations"].lines
    assert line.note == "1,800"
    average, p99 = charts(level("Duration", 12.34))["Duration"].lines
    assert (average.note, p99.note) == ("max 12.3 ms", "max 12.3 ms")


def test_metric_without_data_has_no_points_and_is_labelled() -> None:
    (line,) = charts({})["Invocations"].lines
    assert (line.points, line.note) == ((), "no data")


def test_revisions_are_marked_in_every_chart() -> None:
    assert {chart.marks for chart in charts({}).values()} == {(Mark(START + 3600, "revision 4c1f19fd"),)}


def test_text_is_parsed_without_its_markup() -> None:
    (panel,) = (panel for panel in drawn({}, {}).panels if isinstance(panel, TextPanel))
    assert panel.heading == "shop/myapp"
    assert panel.text.startswith(
        "Parameters below /myapp/config in eu-west-1, read by the function dynconfig-shop-myapp."
    )


@pytest.mark.parametrize(
    ("span", "period"),
    [(300, 60), (3 * 3600, 60), (6 * 3600, 300), (86400, 300), (7 * 86400, 3600), (15 * 86400, 21600)],
)
def test_period_grows_with_the_time_range(span: int, period: int) -> None:
    assert period_for(span) == period

"""Convert a dashboard body and its CloudWatch data to a scene. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dynconfig.cli.drawing.scene import (
    AlarmsPanel,
    AlarmState,
    Box,
    ChartPanel,
    Line,
    Mark,
    Metric,
    Panel,
    Points,
    Scene,
    TextPanel,
)

Widget = Mapping[str, Any]
Body = Mapping[str, Any]

# The periods that CloudWatch uses with `periodOverride: auto`.
PERIODS = (60, 300, 900, 3600, 21600, 86400)
MOST_POINTS = 300


def period_for(seconds: float) -> int:
    """Return the shortest period at which a chart over this many seconds is legible."""
    return next((period for period in PERIODS if seconds / period <= MOST_POINTS), PERIODS[-1])


def metrics_in(body: Body) -> tuple[Metric, ...]:
    """Return all metrics of the charts, without duplicates."""
    found = (metric for widget in _of_type(body, "metric") for metric, _options in _lines(widget))
    return tuple(dict.fromkeys(found))


def alarms_in(body: Body) -> tuple[str, ...]:
    """Return the names of all alarms on the dashboard."""
    arns = (str(arn) for widget in _of_type(body, "alarm") for arn in widget["properties"]["alarms"])
    return tuple(dict.fromkeys(alarm_name(arn) for arn in arns))


def alarm_name(arn: str) -> str:
    """Return the name in the ARN of an alarm; it may contain colons."""
    return arn.split(":alarm:", 1)[-1]


def scene(
    body: Body,
    series: Mapping[Metric, Points],
    alarms: Mapping[str, AlarmState],
    *,
    start: float,
    end: float,
    period: int,
) -> Scene:
    """Build the scene of a dashboard body; metrics without data stay empty."""
    panels: list[Panel] = []
    panels += [_text(widget) for widget in _of_type(body, "text")]
    panels += [_alarms(widget, alarms) for widget in _of_type(body, "alarm")]
    panels += [_chart(widget, series) for widget in _of_type(body, "metric")]
    return Scene(panels=tuple(panels), start=start, end=end, period=period)


def _of_type(body: Body, kind: str) -> list[Widget]:
    return [widget for widget in body["widgets"] if widget["type"] == kind]


def _box(widget: Widget) -> Box:
    return Box(x=widget["x"], y=widget["y"], width=widget["width"], height=widget["height"])


def _text(widget: Widget) -> TextPanel:
    lines = [line.strip() for line in str(widget["properties"]["markdown"]).splitlines() if line.strip()]
    heading = lines.pop(0).lstrip("# ") if lines and lines[0].startswith("#") else ""
    return TextPanel(box=_box(widget), heading=heading, text="\n".join(lines).replace("`", ""))


def _alarms(widget: Widget, states: Mapping[str, AlarmState]) -> AlarmsPanel:
    properties = widget["properties"]
    names = [alarm_name(str(arn)) for arn in properties["alarms"]]
    return AlarmsPanel(
        box=_box(widget),
        title=properties.get("title", ""),
        alarms=tuple(states.get(name, AlarmState(name)) for name in names),
    )


def _chart(widget: Widget, series: Mapping[Metric, Points]) -> ChartPanel:
    properties = widget["properties"]
    unit = properties.get("yAxis", {}).get("left", {}).get("label", "")
    return ChartPanel(
        box=_box(widget),
        title=properties.get("title", ""),
        unit=unit,
        is_stacked=properties.get("stacked", False),
        lines=tuple(
            Line(
                label=options.get("label", metric.name),
                color=options.get("color", "#334155"),
                points=series.get(metric, ()),
                note=_note(metric.stat, unit, series.get(metric, ())),
            )
            for metric, options in _lines(widget)
        ),
        marks=tuple(
            Mark(datetime.fromisoformat(mark["value"]).timestamp(), mark.get("label", ""))
            for mark in properties.get("annotations", {}).get("vertical", ())
        ),
    )


def _lines(widget: Widget) -> Iterator[tuple[Metric, Mapping[str, Any]]]:
    """Parse the metrics of a widget: namespace, name, dimension names and values, then options."""
    properties = widget["properties"]
    for fields in properties.get("metrics", ()):
        options = fields[-1] if isinstance(fields[-1], dict) else {}
        namespace, name, *rest = [field for field in fields if isinstance(field, str)]
        dimensions = tuple(sorted(zip(rest[::2], rest[1::2], strict=True)))
        yield Metric(namespace, name, dimensions, options.get("stat", properties.get("stat", "Average"))), options


def _note(stat: str, unit: str, points: Points) -> str:
    """Return the sum for sum statistics, otherwise the maximum."""
    if not points:
        return "no data"
    values = [value for _at, value in points]
    if stat in ("Sum", "SampleCount"):
        return _number(sum(values))
    return f"max {_number(max(values))} {unit}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"

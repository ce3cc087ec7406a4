"""The body of a dashboard, as the JSON that CloudWatch expects. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dynconfig.api.alarms import LAMBDA_NAMESPACE, OWN_NAMESPACE
from dynconfig.api.names import OWNER_TAG
from dynconfig.kinds._shared.tags import Pairs

Document = dict[str, Any]

MARK = f"{OWNER_TAG}: "
WIDTH = 24
HEADER, ALARM_ROW, CHART = 3, 2, 6
ALARMS_IN_A_ROW = 6
# Lambda's metrics have one-minute resolution.
PERIOD = 60
SHOWN_REVISIONS = 10

BLUE, GREEN, AMBER, RED, VIOLET = "#2563eb", "#059669", "#d97706", "#dc2626", "#7c3aed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The input of the dashboard of one configuration."""

    title: str
    path: str
    region: str
    owner: str = ""
    """The value of the owner tag; if empty, the body names no owner."""
    function: str = ""
    """The name of the function; empty if there is none."""
    alarms: tuple[str, ...] = ()
    """ARNs of the alarms."""
    revisions: tuple[tuple[float, str], ...] = ()
    """Time (seconds since the epoch) and revision, oldest first."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line in a chart."""

    metric: str
    label: str
    color: str
    stat: str = "Sum"


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart; `unit` labels its axis."""

    title: str
    namespace: str
    lines: tuple[Line, ...]
    unit: str = "count"
    is_stacked: bool = False


CHARTS = (
    Chart("Invocations", LAMBDA_NAMESPACE, (Line("Invocations", "invocations", BLUE),)),
    Chart(
        "Errors and throttles",
        LAMBDA_NAMESPACE,
        (Line("Errors", "errors", RED), Line("Throttles", "throttles", AMBER)),
    ),
    # Not the sum, which grows with the number of calls.
    Chart(
        "Duration",
        LAMBDA_NAMESPACE,
        (Line("Duration", "average", BLUE, "Average"), Line("Duration", "p99", VIOLET, "p99")),
        unit="ms",
    ),
    Chart(
        "Parameters read",
        OWN_NAMESPACE,
        (
            Line("SuccessfulParameterRetrievals", "read", GREEN),
            Line("FallbackReads", "without the extension", VIOLET),
            Line("StaleParameters", "served beyond their TTL", AMBER),
            Line("FailedParameterRetrievals", "failed", RED),
        ),
    ),
    Chart(
        "Cache",
        OWN_NAMESPACE,
        (Line("CacheHits", "hits", GREEN), Line("CacheMisses", "misses", AMBER)),
        is_stacked=True,
    ),
    Chart("Configuration errors", OWN_NAMESPACE, (Line("ConfigurationErrors", "loads that failed", RED),)),
)


def body(board: Board) -> Document:
    """Return the whole body; widgets without a resource are omitted."""
    widgets = [_header(board)]
    if board.alarms:
        widgets.append(_alarms(board, HEADER))
    if board.function:
        top = widgets[-1]["y"] + widgets[-1]["height"]
        widgets += [_chart(board, chart, number, top) for number, chart in enumerate(CHARTS)]
    return {"start": "-PT3H", "periodOverride": "auto", "widgets": widgets}


def owner_in(document: object) -> str:
    """Return the owner that a body names, or an empty string."""
    lines = (line.strip("` ") for text in _texts(document) for line in text.splitlines())
    return next((line.removeprefix(MARK) for line in lines if line.startswith(MARK)), "")


def disowned(document: Document) -> Document:
    """Return the body without the owner."""
    result = deepcopy(document)
    for widget in _widgets(result):
        properties = widget.get("properties")
        if isinstance(properties, dict) and isinstance(properties.get("markdown"), str):
            kept = [line for line in properties["markdown"].splitlines() if not line.strip("` ").startswith(MARK)]
            properties["markdown"] = "\n".join(kept).rstrip()
    return result


def apart(document: Document) -> tuple[Document, Pairs]:
    """Split a body into the body without revision annotations and the annotations: they change without being drift.

    If the charts have different annotations, the dashboard was edited: the annotations stay in the body.
    """
    charts = [widget for widget in _widgets(document) if widget.get("type") == "metric"]
    marks = [_marks(widget) for widget in charts]
    if not charts or not marks[0] or any(mark != marks[0] for mark in marks):
        return document, ()
    result = deepcopy(document)
    for widget in _widgets(result):
        if widget.get("type") == "metric":
            del widget["properties"]["annotations"]
    return result, marks[0]


def marks_of(revisions: Sequence[tuple[float, str]]) -> Pairs:
    """Return the last revisions as annotations: time and label."""
    return tuple((_time(at), f"revision {revision}") for at, revision in revisions[-SHOWN_REVISIONS:])


def _header(board: Board) -> Document:
    reader = f", read by the function `{board.function}`" if board.function else ""
    origin = f"Generated from the DynamicConfig `{board.title}`: edit that, not this dashboard."
    lines = [
        f"## {board.title}",
        f"Parameters below `{board.path}` in {board.region}{reader}. {origin}",
        *(["", f"`{MARK}{board.owner}`"] if board.owner else []),
    ]
    return {
        "type": "text",
        "x": 0,
        "y": 0,
        "width": WIDTH,
        "height": HEADER,
        "properties": {"markdown": "\n".join(lines)},
    }


def _alarms(board: Board, top: int) -> Document:
    rows = -(-len(board.alarms) // ALARMS_IN_A_ROW)
    return {
        "type": "alarm",
        "x": 0,
        "y": top,
        "width": WIDTH,
        "height": 1 + ALARM_ROW * rows,
        "properties": {"title": "Alarms", "alarms": list(board.alarms)},
    }


def _chart(board: Board, chart: Chart, number: int, top: int) -> Document:
    width = WIDTH // 3
    dimensions = ["FunctionName", board.function]
    if chart.namespace == OWN_NAMESPACE:
        dimensions += ["Config", board.title]
    marks = [{"value": at, "label": label} for at, label in marks_of(board.revisions)]
    return {
        "type": "metric",
        "x": number % 3 * width,
        "y": top + number // 3 * CHART,
        "width": width,
        "height": CHART,
        "properties": {
            "title": chart.title,
            "region": board.region,
            "view": "timeSeries",
            "stacked": chart.is_stacked,
            "period": PERIOD,
            "metrics": [
                [
                    chart.namespace,
                    line.metric,
                    *dimensions,
                    {"stat": line.stat, "label": line.label, "color": line.color},
                ]
                for line in chart.lines
            ],
            "yAxis": {"left": {"min": 0, "label": chart.unit, "showUnits": False}},
            **({"annotations": {"vertical": marks}} if marks else {}),
        },
    }


def _widgets(document: object) -> list[Document]:
    found = document.get("widgets") if isinstance(document, dict) else None
    return [widget for widget in found if isinstance(widget, dict)] if isinstance(found, list) else []


def _texts(document: object) -> list[str]:
    found = (widget.get("properties") for widget in _widgets(document) if widget.get("type") == "text")
    return [str(properties.get("markdown", "")) for properties in found if isinstance(properties, dict)]


def _marks(widget: Mapping[str, Any]) -> Pairs:
    """Return the vertical annotations of a widget if it has no others and only time and label; else nothing."""
    properties = widget.get("properties")
    annotations = properties.get("annotations") if isinstance(properties, dict) else None
    if not isinstance(annotations, dict) or set(annotations) != {"vertical"}:
        return ()
    listed = annotations["vertical"]
    if not isinstance(listed, list) or not all(isinstance(mark, dict) for mark in listed):
        return ()
    if any(set(mark) != {"value", "label"} for mark in listed):
        return ()
    return tuple((str(mark["value"]), str(mark["label"])) for mark in listed)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""A dashboard with all widgets, and possible data from CloudWatch."""

from collections.abc import Mapping

from dynconfig.cli.drawing.scene import AlarmState, Metric, Points, Scene
from dynconfig.cli.drawing.widgets import metrics_in, scene
from dynconfig.kinds.dashboard.body import Board, Document, body

PREFIX = "dynconfig-shop-myapp/"
END = 1_800_007_200.0
START = END - 3 * 3600
PERIOD = 60

BOARD = Board(
    title="shop/myapp",
    path="/myapp/config",
    region="eu-west-1",
    function="dynconfig-shop-myapp",
    alarms=tuple(f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{PREFIX}{name}" for name in ("unhealthy", "Errors")),
    revisions=((START + 3600, "4c1f19fd"),),
)
BODY: Document = body(BOARD)


def states(**by_name: str) -> dict[str, AlarmState]:
    return {f"{PREFIX}{name}": AlarmState(f"{PREFIX}{name}", state, START) for name, state in by_name.items()}


def level(metric: str, value: float) -> dict[Metric, Points]:
    """One value a minute for every line of this metric."""
    points = tuple((START + minute * PERIOD, value) for minute in range(180))
    return {line: points for line in metrics_in(BODY) if line.name == metric}


def drawn(series: Mapping[Metric, Points], alarms: Mapping[str, AlarmState], document: Document = BODY) -> Scene:
    return scene(document, series, alarms, start=START, end=END, period=PERIOD)

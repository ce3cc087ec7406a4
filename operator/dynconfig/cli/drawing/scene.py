"""The content of an image as plain values: panels on a grid of 24 columns, laid out like CloudWatch."""

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]
"""Time in seconds since the epoch, and value; oldest first."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The metric of one line."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str


@dataclass(frozen=True, slots=True)
class AlarmState:
    """The state of an alarm in CloudWatch, and since when; empty if the alarm does not exist."""

    name: str
    state: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The position and size of a panel, in columns and rows."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; `note` summarises it in one number."""

    label: str
    color: str
    points: Points
    note: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in time shown in all charts, such as a new revision."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPanel:
    """Lines over time."""

    box: Box
    title: str
    unit: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    is_stacked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsPanel:
    """A tile for each alarm."""

    box: Box
    title: str
    alarms: tuple[AlarmState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPanel:
    """A heading and a paragraph."""

    box: Box
    heading: str
    text: str


Panel = ChartPanel | AlarmsPanel | TextPanel


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All panels, and the time that the charts span."""

    panels: tuple[Panel, ...]
    start: float
    end: float
    period: int

    @property
    def rows(self) -> int:
        """How many rows of the grid are used."""
        return max((panel.box.y + panel.box.height for panel in self.panels), default=1)

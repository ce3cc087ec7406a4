"""Draw text panels and alarm states."""

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dynconfig.cli.drawing.scene import AlarmsPanel, AlarmState, TextPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET = "#0f172a", "#64748b"
PADDING = 16
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 10.5, 8.5, 7.5
TILES_IN_A_ROW = 6
TILE_GAP, TILES_TOP = 10, 36
# Label, edge colour and fill colour of each alarm state.
STATES = {
    "OK": ("OK", "#059669", "#ecfdf5"),
    "ALARM": ("in alarm", "#dc2626", "#fef2f2"),
    "INSUFFICIENT_DATA": ("not enough data", "#94a3b8", "#f8fafc"),
    "": ("does not exist", "#cbd5e1", "#ffffff"),
}


def draw_title(axes: "Axes", title: str) -> None:
    """Draw the title of a card."""
    axes.text(PADDING, 14, title, fontsize=TITLE_SIZE, fontweight="bold", color=INK, va="top")


def draw_text(axes: "Axes", panel: TextPanel) -> None:
    """Draw a heading, and paragraphs wrapped at the edge of the card."""
    right = axes.get_xlim()[1]
    axes.text(PADDING, 14, panel.heading, fontsize=17, fontweight="bold", color=INK, va="top")
    # The average character of DejaVu Sans, the font of matplotlib, is slightly narrower than 0.8 of its size in pixels.
    letters = int((right - 2 * PADDING) / (TEXT_SIZE * 0.8))
    lines = [line for paragraph in panel.text.splitlines() for line in textwrap.wrap(paragraph, letters)]
    for number, line in enumerate(lines):
        axes.text(PADDING, 54 + 19 * number, line, fontsize=TEXT_SIZE, color=QUIET, va="top")


def draw_alarms(axes: "Axes", panel: AlarmsPanel) -> None:
    """Draw the alarms as tiles, six per row."""
    draw_title(axes, panel.title)
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    rows = -(-len(panel.alarms) // TILES_IN_A_ROW)
    width = (right - 2 * PADDING + TILE_GAP) / TILES_IN_A_ROW - TILE_GAP
    height = (bottom - TILES_TOP - PADDING + TILE_GAP) / max(rows, 1) - TILE_GAP
    for number, alarm in enumerate(panel.alarms):
        left = PADDING + number % TILES_IN_A_ROW * (width + TILE_GAP)
        top = TILES_TOP + number // TILES_IN_A_ROW * (height + TILE_GAP)
        _draw_tile(axes, alarm, (left, top), (width, height))


def _draw_tile(axes: "Axes", alarm: AlarmState, at: tuple[float, float], size: tuple[float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    label, edge, fill = STATES[alarm.state]
    (left, top), (width, height) = at, size
    axes.add_patch(
        FancyBboxPatch(
            at, width, height, boxstyle="round,pad=0,rounding_size=5", facecolor=fill, edgecolor=edge, linewidth=0.8
        )
    )
    axes.add_patch(Rectangle((left + 2, top + 5), 4, height - 10, facecolor=edge, edgecolor="none"))
    since = f" since {datetime.fromtimestamp(alarm.since, UTC):%H:%M}" if alarm.since is not None else ""
    middle = top + height / 2
    name = textwrap.shorten(alarm.name.rpartition("/")[2], 28, placeholder="…")
    axes.text(left + 16, middle - 2, name, fontsize=TEXT_SIZE, fontweight="bold", color=INK, va="bottom")
    axes.text(
        left + 16,
        middle + 4,
        f"{label}{since}",
        fontsize=SMALL_SIZE,
        color=edge if label == "in alarm" else QUIET,
        va="top",
    )

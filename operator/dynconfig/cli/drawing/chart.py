"""Draw time series charts with a light grid, a legend with values, and event markers."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from dynconfig.cli.drawing.cards import INK, PADDING, QUIET, SMALL_SIZE, draw_title
from dynconfig.cli.drawing.scene import ChartPanel, Line, Mark, Points, Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Layer = list[tuple[float, float, float]]
"""Time, lower edge and upper edge of each point."""

GRID = "#e8edf3"
LEFT, TOP, RIGHT, BOTTOM = 58, 44, 18, 58
LEGEND_LINE = 17
TICKS = 6
# The share of the chart width that a label may take.
LABEL_SHARE = 0.3
NICE_SECONDS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


def draw(card: "Axes", panel: ChartPanel, scene: Scene) -> None:
    """Draw the complete chart on its card."""
    draw_title(card, panel.title)
    rows = _legend(card, panel.lines)
    axes = _inside(card, BOTTOM + (rows - 1) * LEGEND_LINE)
    if any(line.points for line in panel.lines):
        (_draw_stack if panel.is_stacked else _draw_lines)(axes, panel, scene)
    else:
        axes.text(
            0.5, 0.5, "no data in this time range", transform=axes.transAxes, ha="center", color=QUIET, fontsize=8.5
        )
    _draw_frame(axes, panel, scene)
    _draw_marks(axes, panel, scene)


def runs(points: Points, period: int) -> Iterator[Points]:
    """Split the points at gaps, so that no line is drawn where there is no data."""
    piece: list[tuple[float, float]] = []
    for point in points:
        if piece and point[0] - piece[-1][0] > 1.5 * period:
            yield tuple(piece)
            piece = []
        piece.append(point)
    if piece:
        yield tuple(piece)


def top_of(values: Sequence[float]) -> float:
    """Return a round number slightly above all values."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest * 1.05))
    return float(next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= highest * 1.05))


def _inside(card: "Axes", bottom: float) -> "Axes":
    width, height = card.get_xlim()[1], card.get_ylim()[0]
    axes = card.inset_axes(
        (LEFT / width, bottom / height, 1 - (LEFT + RIGHT) / width, 1 - (TOP + bottom) / height), zorder=2
    )
    axes.set_facecolor("none")
    return axes


def _draw_lines(axes: "Axes", panel: ChartPanel, scene: Scene) -> None:
    for line in panel.lines:
        for piece in runs(line.points, scene.period):
            times, values = zip(*piece, strict=True)
            axes.plot(
                times,
                values,
                color=line.color,
                linewidth=1.6,
                solid_capstyle="round",
                marker="o" if len(piece) == 1 else None,
                markersize=4,
            )
            if len(panel.lines) == 1:
                axes.fill_between(times, values, color=line.color, alpha=0.10, linewidth=0)
    axes.set_ylim(0, top_of([value for line in panel.lines for _at, value in line.points]))


def _draw_stack(axes: "Axes", panel: ChartPanel, scene: Scene) -> None:
    times = sorted({at for line in panel.lines for at, _value in line.points})
    below = [0.0] * len(times)
    layers: list[tuple[Line, Layer]] = []
    for line in panel.lines:
        values = dict(line.points)
        above = [base + values.get(at, 0.0) for base, at in zip(below, times, strict=True)]
        layers.append((line, list(zip(times, below, above, strict=True))))
        below = above
    # From the top down, so that the edge of the layer below stays visible where a layer has no height.
    for line, layer in reversed(layers):
        _draw_layer(axes, line, layer, scene.period)
    axes.set_ylim(0, top_of(below))


def _draw_layer(axes: "Axes", line: Line, layer: "Layer", period: int) -> None:
    edges = {at: (low, high) for at, low, high in layer}
    for piece in runs(tuple((at, high) for at, _low, high in layer), period):
        times = [at for at, _high in piece]
        low, high = ([edges[at][side] for at in times] for side in (0, 1))
        axes.fill_between(times, low, high, color=line.color, alpha=0.22, linewidth=0)
        axes.plot(times, high, color=line.color, linewidth=1.4, marker="o" if len(piece) == 1 else None, markersize=4)


def _draw_frame(axes: "Axes", panel: ChartPanel, scene: Scene) -> None:
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#cbd5e1")
    axes.set_xlim(scene.start, scene.end)
    ticks = _time_ticks(scene)
    axes.set_xticks(ticks, [_clock(at, scene) for at in ticks])
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _position: f"{value:,.10g}")
    axes.tick_params(length=0, labelsize=SMALL_SIZE, labelcolor=QUIET, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.set_ylabel(panel.unit, fontsize=SMALL_SIZE, color=QUIET, labelpad=6)


def _draw_marks(axes: "Axes", panel: ChartPanel, scene: Scene) -> None:
    """Draw each marker as a dashed line; the label goes to the right unless it would leave the card, and only if it fits."""
    span, free_from = scene.end - scene.start, -math.inf
    for mark in sorted(panel.marks, key=lambda mark: mark.at):
        if not scene.start <= mark.at <= scene.end:
            continue
        axes.axvline(mark.at, color=INK, linewidth=0.9, linestyle=(0, (3, 3)), alpha=0.55)
        is_late = mark.at > scene.end - LABEL_SHARE * span
        begins = mark.at - LABEL_SHARE * span if is_late else mark.at
        if begins >= free_from:
            _draw_label(axes, mark, "right" if is_late else "left")
            free_from = begins + LABEL_SHARE * span


def _draw_label(axes: "Axes", mark: Mark, side: Literal["left", "right"]) -> None:
    where = axes.get_xaxis_transform()
    axes.text(mark.at, 1.01, f" {mark.label} ", transform=where, fontsize=6.5, color=QUIET, ha=side, va="bottom")


def _legend(card: "Axes", lines: Sequence[Line]) -> int:
    """Draw two entries per row, from the bottom up; return the number of rows."""
    from matplotlib.patches import Rectangle

    width, height = card.get_xlim()[1], card.get_ylim()[0]
    rows = -(-len(lines) // 2)
    for number, line in enumerate(lines):
        left = PADDING + number % 2 * (width - 2 * PADDING) / 2
        middle = height - 18 - (rows - 1 - number // 2) * LEGEND_LINE
        card.add_patch(Rectangle((left, middle - 4), 9, 9, facecolor=line.color, edgecolor="none"))
        note = f"  {line.note}" if line.note else ""
        card.text(left + 15, middle, f"{line.label}{note}", fontsize=SMALL_SIZE, color=INK, va="center_baseline")
    return rows


def _time_ticks(scene: Scene) -> list[float]:
    span = scene.end - scene.start
    step = next((step for step in NICE_SECONDS if span / step <= TICKS), NICE_SECONDS[-1])
    first = math.ceil(scene.start / step) * step
    return [first + number * step for number in range(int((scene.end - first) // step) + 1)]


def _clock(at: float, scene: Scene) -> str:
    form = "%H:%M" if scene.end - scene.start <= 86400 else "%d %b"
    return datetime.fromtimestamp(at, UTC).strftime(form)

"""Render a scene as PNG. Requires matplotlib, which no other part of the operator uses."""

import io
from typing import TYPE_CHECKING

from dynconfig.cli.drawing.scene import AlarmsPanel, Box, ChartPanel, Panel, Scene
from dynconfig.model.errors import Terminal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 24
# In pixels. Two columns by three rows are roughly a square, as in CloudWatch on a wide screen.
COLUMN, ROW, GAP, MARGIN = 64, 44, 14, 18
DPI = 100
BACKGROUND, CARD, EDGE = "#f1f5f9", "#ffffff", "#e2e8f0"


class PictureNotPossible(Terminal):
    """The image cannot be drawn because matplotlib is not installed."""


def png(scene: Scene) -> bytes:
    """Return the image. Raises PictureNotPossible."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise PictureNotPossible(
            "--png requires matplotlib, which is not installed; install the extra png: pip install 'dynconfig-operator[png]'"
        ) from None
    figure = Figure(figsize=(_width() / DPI, _height(scene) / DPI), dpi=DPI, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    for panel in scene.panels:
        _draw(figure, scene, panel)
    written = io.BytesIO()
    # Omit the software name, so that equal scenes produce equal bytes.
    figure.savefig(written, format="png", dpi=DPI, facecolor=BACKGROUND, metadata={"Software": None})
    return written.getvalue()


def pixels(box: Box) -> tuple[int, int, int, int]:
    """Return the position of a panel in the image: left, top, right, bottom."""
    left, top = MARGIN + box.x * COLUMN, MARGIN + box.y * ROW
    return left, top, left + box.width * COLUMN - GAP, top + box.height * ROW - GAP


def _draw(figure: "Figure", scene: Scene, panel: Panel) -> None:
    from dynconfig.cli.drawing import cards, chart

    axes = _card(figure, scene, panel.box)
    match panel:
        case ChartPanel():
            chart.draw(axes, panel, scene)
        case AlarmsPanel():
            cards.draw_alarms(axes, panel)
        case _:
            cards.draw_text(axes, panel)


def _card(figure: "Figure", scene: Scene, box: Box) -> "Axes":
    """Add a white card with a thin edge; its coordinates are pixels from the upper left."""
    from matplotlib.patches import FancyBboxPatch

    left, top, right, bottom = pixels(box)
    width, height = right - left, bottom - top
    total = _height(scene)
    axes = figure.add_axes((left / _width(), 1 - bottom / total, width / _width(), height / total))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.add_patch(
        FancyBboxPatch(
            (1, 1), width - 2, height - 2, boxstyle="round,pad=0,rounding_size=8", facecolor=CARD, edgecolor=EDGE
        )
    )
    return axes


def _width() -> int:
    return 2 * MARGIN + COLUMNS * COLUMN - GAP


def _height(scene: Scene) -> int:
    return 2 * MARGIN + scene.rows * ROW - GAP

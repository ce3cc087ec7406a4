"""The picture shows its data: checked pixel by pixel."""

import io
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from tests.cli.drawing.scenes import BOARD, BODY, drawn, level, states

from dynconfig.cli.drawing.picture import pixels, png
from dynconfig.cli.drawing.scene import AlarmsPanel, ChartPanel, Scene
from dynconfig.kinds.dashboard.body import AMBER, BLUE, CHARTS, GREEN, RED, body


@lru_cache
def image(scene: Scene) -> Any:
    """The picture as rows of red, green and blue from 0 to 255; drawn once for all tests, since it takes a second."""
    return np.rint(imread(io.BytesIO(png(scene)))[:, :, :3] * 255).astype(int)


def count(picture: Any, scene: Scene, title: str, color: str) -> int:
    """The number of pixels of exactly this colour in the plot of the chart with this title, beside its legend."""
    (panel,) = (panel for panel in scene.panels if isinstance(panel, ChartPanel) and panel.title == title)
    left, top, right, bottom = pixels(panel.box)
    part = picture[top + 40 : bottom - 80, left + 40 : right]
    return int((np.abs(part - _rgb(color)).sum(axis=2) < 24).sum())


def _rgb(color: str) -> Any:
    return np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])


def test_picture_is_a_png_of_the_size_of_the_dashboard() -> None:
    written = png(drawn({}, {}))
    assert written.startswith(b"\x89PNG\r\n\x1a\n")
    height, width, _colors = image(drawn({}, {})).shape
    assert (width, height) == (1558, 814)
    assert image(drawn({}, {}, body(replace(BOARD, function="")))).shape[0] < height


def test_equal_scenes_are_equal_bytes() -> None:
    scene = drawn(level("Invocations", 7), states(unhealthy="OK"))
    assert png(scene) == png(scene)


@pytest.mark.parametrize(
    ("metric", "title", "color"),
    [
        ("Invocations", "Invocations", BLUE),
        ("Errors", "Errors and throttles", RED),
        ("Throttles", "Errors and throttles", AMBER),
        ("SuccessfulParameterRetrievals", "Parameters read", GREEN),
        ("CacheHits", "Cache", GREEN),
        ("ConfigurationErrors", "Configuration errors", RED),
    ],
)
def test_metric_with_data_is_a_line_in_its_chart_only(metric: str, title: str, color: str) -> None:
    empty, full = drawn({}, {}), drawn(level(metric, 7), {})
    assert count(image(empty), empty, title, color) == 0
    picture = image(full)
    assert count(picture, full, title, color) > 300
    others = [chart.title for chart in CHARTS if chart.title != title]
    assert [count(picture, full, other, color) for other in others] == [0] * len(others)


def test_line_is_as_high_as_its_values() -> None:
    heights = []
    for value in (2.0, 9.0):
        series = {**level("Errors", value), **level("Throttles", 9.5)}
        picture = image(drawn(series, {}))
        (panel,) = (p for p in drawn({}, {}).panels if isinstance(p, ChartPanel) and p.title == "Errors and throttles")
        left, top, right, bottom = pixels(panel.box)
        rows = np.nonzero(
            (np.abs(picture[top + 40 : bottom - 80, left:right] - _rgb(RED)).sum(axis=2) < 24).any(axis=1)
        )
        heights.append(float(rows[0].mean()))
    assert heights[1] < heights[0] - 30


def test_hits_and_misses_are_stacked() -> None:
    series = {**level("CacheHits", 6), **level("CacheMisses", 6)}
    scene = drawn(series, {})
    picture = image(scene)
    assert count(picture, scene, "Cache", GREEN) > 300
    assert count(picture, scene, "Cache", AMBER) > 300


@pytest.mark.parametrize(("state", "color"), [("ALARM", RED), ("OK", GREEN)])
def test_alarm_state_is_the_colour_of_its_tile(state: str, color: str) -> None:
    def coloured(scene: Scene) -> int:
        (panel,) = (panel for panel in scene.panels if isinstance(panel, AlarmsPanel))
        left, top, right, bottom = pixels(panel.box)
        return int((np.abs(image(scene)[top:bottom, left:right] - _rgb(color)).sum(axis=2) < 24).sum())

    assert coloured(drawn({}, {})) == 0
    assert coloured(drawn({}, states(unhealthy=state))) > 100


def test_revision_is_a_dashed_line_in_every_chart() -> None:
    bare = drawn({}, {}, body(replace(BOARD, revisions=())))
    marked = drawn({}, {}, BODY)
    assert (image(bare) != image(marked)).any()
    for panel in (panel for panel in marked.panels if isinstance(panel, ChartPanel)):
        left, top, right, bottom = pixels(panel.box)
        differs = (image(bare)[top:bottom, left:right] != image(marked)[top:bottom, left:right]).any(axis=2)
        assert differs.any(axis=1).sum() > 50

"""Line gaps and the range of the axes."""

import pytest

from dynconfig.cli.drawing.chart import runs, top_of


def test_line_has_a_gap_without_data() -> None:
    points = tuple((at, 1.0) for at in (0.0, 60.0, 120.0, 300.0, 360.0, 600.0))
    assert [[at for at, _value in piece] for piece in runs(points, 60)] == [[0, 60, 120], [300, 360], [600]]
    assert list(runs((), 60)) == []


@pytest.mark.parametrize(
    ("values", "top"),
    [
        ([], 1),
        ([0, 0], 1),
        ([1], 1.5),
        ([9.6], 15),
        ([4], 5),
        ([47], 50),
        ([100], 150),
        ([0.4], 0.5),
        ([1234567], 1500000),
    ],
)
def test_axis_ends_at_a_round_number_above_all_values(values: list[float], top: float) -> None:
    assert top_of(values) == pytest.approx(top)
    assert all(value < top for value in values)

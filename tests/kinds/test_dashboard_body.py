"""The dashboard body, as a golden file and by its properties."""

import json
import os
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from dynconfig.kinds.dashboard.body import CHARTS, MARK, WIDTH, Board, apart, body, disowned, owner_in
from dynconfig_function import metrics

GOLDEN = Path(__file__).parent / "golden" / "dashboard.json"
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:dynconfig-shop-myapp/"
BOARD = Board(
    title="shop/myapp",
    path="/myapp/config",
    region="eu-west-1",
    owner="cluster/shop/myapp/uid-1",
    function="dynconfig-shop-myapp",
    alarms=tuple(ALARM + name for name in ("unhealthy", "Errors", "Duration")),
    revisions=((1_800_000_000.0, "4c1f19fd"), (1_800_003_600.5, "77ab02e1")),
)


def test_body_matches_golden_file() -> None:
    """Regenerate with: python -m tests.kinds.test_dashboard_body."""
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(body(BOARD), indent=2) + "\n")
    assert body(BOARD) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("alarms", [0, 1, 6, 7, 25])
def test_widgets_do_not_overlap_or_leave_the_grid(alarms: int) -> None:
    widgets = body(replace(BOARD, alarms=(ALARM,) * alarms))["widgets"]
    for widget in widgets:
        assert 0 <= widget["x"] < widget["x"] + widget["width"] <= WIDTH
    for one, other in combinations(widgets, 2):
        assert _apart(one, other, "x", "width") or _apart(one, other, "y", "height")


def _apart(one: Any, other: Any, at: str, size: str) -> bool:
    return bool(one[at] + one[size] <= other[at] or other[at] + other[size] <= one[at])


def test_duration_charts_never_use_sum() -> None:
    stats = {line.stat for chart in CHARTS for line in chart.lines if line.metric == "Duration"}
    assert stats == {"Average", "p99"}


def test_dashboard_shows_exactly_the_metrics_of_the_function() -> None:
    drawn = {line.metric for chart in CHARTS for line in chart.lines if chart.namespace == "DynamicConfig"}
    assert drawn == {
        metrics.HITS,
        metrics.MISSES,
        metrics.SUCCESSES,
        metrics.FAILURES,
        metrics.FALLBACKS,
        metrics.STALE,
        metrics.ERRORS,
    }


def test_owner_round_trips_and_can_be_removed() -> None:
    document = body(BOARD)
    assert owner_in(document) == BOARD.owner
    free = disowned(document)
    assert owner_in(free) == ""
    assert free == body(replace(BOARD, owner=""))
    assert owner_in(document) == BOARD.owner, "the given document is left as it is"


def test_owner_is_found_in_edited_text() -> None:
    document = body(BOARD)
    document["widgets"][0]["properties"]["markdown"] += "\n\nCall us at 4711."
    assert owner_in(document) == BOARD.owner


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"widgets": 1},
        {"widgets": [1, {"type": "text"}]},
        {"widgets": [{"type": "metric"}, {"type": "metric", "properties": {"annotations": {"vertical": [1]}}}]},
    ],
)
def test_malformed_documents_have_no_owner(document: Any) -> None:
    assert owner_in(document) == ""
    if isinstance(document, dict):
        assert apart(document) == (document, ())
        assert disowned(document) == document


def test_revision_annotations_are_split_from_the_body() -> None:
    bare, marks = apart(body(BOARD))
    assert marks == (("2027-01-15T08:00:00Z", "revision 4c1f19fd"), ("2027-01-15T09:00:00Z", "revision 77ab02e1"))
    assert bare == body(replace(BOARD, revisions=()))


def test_title_is_not_parsed_as_owner() -> None:
    assert owner_in(body(replace(BOARD, owner="", title=f"{MARK}x"))) == ""

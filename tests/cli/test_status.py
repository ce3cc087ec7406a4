"""`dynconfig status`: a row for each object, lines for each change, and exit codes. tests/e2e uses a cluster."""

import io
from typing import Any

import pytest
from tests.cli import golden
from tests.cli.shell import Result, dynconfig

from dynconfig.cli import live
from dynconfig.cli.commands import status
from dynconfig.cli.failures import Failed
from dynconfig.cli.object_status import ObjectStage, ObjectStatus, deleted, object_status
from dynconfig.cli.options import Output
from dynconfig.model.timestamps import timestamp

NOW = 1_800_000_000.0
NOTHING = "no DynamicConfigs found in namespace shop"


def row(name: str, ready: str, reason: str, message: str, *more: str, counts: str = "5/5") -> ObjectStatus:
    condition: dict[str, Any] = {"type": "Ready", "status": ready, "reason": reason, "message": message}
    document = {
        "metadata": {"namespace": "shop", "name": name, "generation": 1},
        "status": {
            "observedGeneration": 1,
            "conditions": [condition, *({"type": kind, "status": "True"} for kind in more)],
            "counts": {"summary": counts},
            "revision": "4c1f19fd",
            "lastObservedTime": timestamp(NOW - 18),
        },
    }
    return object_status(document, NOW)


ROWS = {
    found.title: found
    for found in (
        row("myapp", "True", "InSync", "All 5 parameters are as declared"),
        row("cart", "Unknown", "Applying", "Written 2 of 7", "Reconciling", counts="2/7"),
        row("old", "False", "NotOwned", "parameter /old/a is owned by team-b/cart", "Stalled", counts="0/1"),
        row("seen", "True", "DriftReported", "1 resources differ in AWS", "Drifted", counts="4/5"),
        deleted("shop/left"),
    )
}


def printed(capsys: pytest.CaptureFixture[str], output: Output) -> Result:
    status.show(ROWS, output, NOTHING)
    return Result(("status", "-n", "shop"), 0, capsys.readouterr().out, "")


def test_each_object_is_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    golden.check("status", printed(capsys, Output.TEXT))


def test_json_output_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    golden.check("status-json", printed(capsys, Output.JSON))


def test_table_is_redrawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with live.table(("OBJECT", "STAGE")) as show:
        show([(("shop/myapp", "Working"), "yellow")])
        first = len(screen.getvalue())
        show([(("shop/myapp", "Ready"), "green")])
    # One line up and its content erased, for each line of the previous table.
    assert "\x1b[1A\x1b[2K" in screen.getvalue()[first:]
    assert "Ready" in screen.getvalue()[first:]


@pytest.mark.parametrize("timeout", ["soon", "5", "", "-1s"])
def test_invalid_timeout_is_rejected(timeout: str) -> None:
    result = dynconfig("status", "--watch", f"--timeout={timeout}")
    assert result.code == 64
    assert "expected a duration like 90s, 10m or 1h30m" in " ".join(result.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("seen", "failure"),
    [
        ((), NOTHING),
        (("shop/myapp", "shop/left"), "shop/left was deleted while it was being watched"),
        (("shop/myapp", "shop/cart"), "shop/cart is not Ready after 3s: Applying: Written 2 of 7"),
    ],
)
def test_timed_out_watch_is_not_a_success(seen: tuple[str, ...], failure: str) -> None:
    with pytest.raises(Failed, match=failure):
        status.verdict({name: ROWS[name] for name in seen}, "3s", NOTHING)


def test_ready_is_a_success_and_stalled_is_a_failure() -> None:
    assert status.verdict({"shop/myapp": ROWS["shop/myapp"]}, "3s", NOTHING) == 0
    assert status.verdict({"shop/old": ROWS["shop/old"]}, "3s", NOTHING) == 1


def test_baking_change_is_a_success_unless_stable_is_awaited() -> None:
    baking = row("myapp", "True", "Baking", "1 changed parameter bakes", "Baking")
    unfinished = (ObjectStage.WORKING, ObjectStage.BAKING)
    assert baking.stage is ObjectStage.BAKING
    assert status.verdict({"shop/myapp": baking}, "3s", NOTHING) == 0
    with pytest.raises(Failed, match="shop/myapp is not stable after 3s: Baking: 1 changed parameter bakes"):
        status.verdict({"shop/myapp": baking}, "3s", NOTHING, unfinished)
    assert status.verdict({"shop/myapp": ROWS["shop/myapp"]}, "3s", NOTHING, unfinished) == 0


def test_stable_is_a_condition_to_wait_for() -> None:
    result = dynconfig("status", "--stable")
    assert result.code == 64
    assert "requires --watch" in result.err


def test_missing_cluster_is_reported() -> None:
    result = dynconfig("status")
    assert result.code == 1
    assert result.err.startswith("error: no Kubernetes cluster: ")

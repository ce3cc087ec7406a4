"""`dynconfig history`: a row for each revision with its result."""

from typing import Any

import pytest
from tests.cli import golden
from tests.cli.shell import Result

from dynconfig.cli.commands import history
from dynconfig.cli.failures import Failed
from dynconfig.cli.options import Output


def entry(revision: str, generation: int, outcome: str, *changed: str) -> dict[str, Any]:
    time = f"2026-11-24T12:{generation:02}:00Z"
    return {"revision": revision, "generation": generation, "time": time, "outcome": outcome, "changed": list(changed)}


DOCUMENT: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "myapp"},
    "status": {
        "history": [
            {**entry("5f160194", 3, "Stable", "api/timeout@3"), "rolledBackTo": "4c1f19fd"},
            entry("3830bac3", 3, "RolledBack", "api/timeout@2"),
            entry("4c1f19fd", 1, "Stable", "api/timeout@1", "database/host@1"),
        ]
    },
}


@pytest.mark.parametrize(("name", "output"), [("history", Output.TEXT), ("history-json", Output.JSON)])
def test_each_revision_shows_time_changes_and_result(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, output: Output
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    history.show([DOCUMENT], output)
    golden.check(name, Result(("history", "-n", "shop", "myapp"), 0, capsys.readouterr().out, ""))


def test_object_without_a_revision_is_reported() -> None:
    with pytest.raises(Failed, match="no revisions yet"):
        history.show([{"metadata": {"namespace": "shop", "name": "new"}}], Output.TEXT)

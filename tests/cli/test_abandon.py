"""`dynconfig abandon` requires explicit targets and confirmation; its effect is tested in a cluster, in tests/upgrade."""

from pathlib import Path

from tests.cli.shell import dynconfig
from tests.kube.api import Answer, api, status

OBJECT = b'{"metadata": {"namespace": "shop", "name": "myapp", "uid": "uid-1"}}'


def test_targets_are_required() -> None:
    result = dynconfig("abandon", "--yes")
    assert result.code == 1
    assert "dynconfig abandon -n NAMESPACE NAME" in result.err


def test_nothing_is_written_without_confirmation(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        return (200, OBJECT) if path.endswith("/dynamicconfigs/myapp") else status(404, path)

    with api(answer) as server:
        result = dynconfig("abandon", "-n", "shop", "myapp", KUBECONFIG=str(server.kubeconfig(tmp_path)))
    assert result.code == 1
    assert "cannot ask for confirmation without a terminal; add --yes" in result.err
    assert len(asked) == 1

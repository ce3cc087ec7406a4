"""What a command prints for objects missing in the cluster: the searched namespace, and a hint."""

from pathlib import Path

import pytest
from tests.cli.shell import dynconfig
from tests.kube.api import Answer, api, listed, status


def answer(path: str) -> Answer:
    """No object by any name, and empty lists."""
    return status(404, "not found", name="myapp") if path.endswith("/myapp") else listed()


def stderr_of(folder: Path, *arguments: str) -> str:
    with api(answer) as server:
        result = dynconfig(*arguments, KUBECONFIG=str(server.kubeconfig(folder)), AWS_REGION="eu-west-1")
    assert result.code == 1, result.text
    return " ".join(result.err.split())


@pytest.mark.parametrize(
    "command",
    [("status",), ("drift",), ("history",), ("status", "--watch"), ("status", "--watch", "-o", "json")],
)
@pytest.mark.parametrize(
    ("flags", "where"),
    [((), "in namespace shop;"), (("-n", "cart"), "in namespace cart;"), (("-A",), "in any namespace;")],
)
def test_empty_list_names_the_searched_namespace(
    tmp_path: Path, command: tuple[str, ...], flags: tuple[str, ...], where: str
) -> None:
    assert f"no DynamicConfigs found {where}" in stderr_of(tmp_path, *command, *flags)


@pytest.mark.parametrize("command", ["status", "drift", "history", "plan", "render"])
@pytest.mark.parametrize(
    ("words", "where", "hint"),
    [
        (("myapp",), "shop/myapp", "specify the namespace with -n"),
        (("myapp", "-n", "cart"), "cart/myapp", "list all with `dynconfig status -A`"),
        (("cart/myapp",), "cart/myapp", "list all with `dynconfig status -A`"),
    ],
)
def test_missing_object_is_reported_with_a_hint(
    tmp_path: Path, command: str, words: tuple[str, ...], where: str, hint: str
) -> None:
    said = stderr_of(tmp_path, command, *words)
    assert said == f"error: DynamicConfig {where} not found; {hint}"

"""The kubeconfig: merged files, credential plugins, and errors that do not quote the file."""

import os
import re
from pathlib import Path

import pytest
from tests.kube.api import written

from dynconfig.kube import kubeconfig
from dynconfig.kube.kubeconfig import BadKubeconfig

TOKEN = "eyJhbGciOiJ.canary"


def acting(user: str) -> str:
    """A kubeconfig with this user."""
    return (
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{server: https://first}}}}]\nusers: [{{name: u, user: {user}}}]\n"
    )


def named(monkeypatch: pytest.MonkeyPatch, *files: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))


def test_first_definition_wins_and_missing_files_are_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_text("contexts: []\nusers: [{name: c, user: {token: mine}}]\n")
    second = written(tmp_path / "second", "https://second", user={"token": "theirs"})
    third = written(tmp_path / "third", "https://third", context="other")
    named(monkeypatch, tmp_path / "missing", first, second, third)
    found = kubeconfig.current()
    assert found.cluster is not None
    assert (found.context, found.cluster.server, found.namespace) == ("c", "https://second", "shop")
    assert found.user.token == "mine"


def test_paths_are_relative_to_their_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    first = tmp_path / "first"
    first.write_text("current-context: c\n")
    user = {"tokenFile": "token", "client-certificate": "/etc/cert"}
    named(monkeypatch, first, written(tmp_path / "inner" / "second", "https://second", user=user))
    found = kubeconfig.current().user
    assert (found.token_file, found.client_certificate) == (str(tmp_path / "inner" / "token"), "/etc/cert")


def test_plugin_path_is_relative_to_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "bin/tool"}
    named(monkeypatch, written(tmp_path / "config", "https://first", user={"exec": plugin}))
    found = kubeconfig.current().user.plugin
    assert found is not None
    assert found.command == str(tmp_path / "bin" / "tool")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"users:\n- name: u\n  user:\n    token: {TOKEN}: x\n", "config, line 4 is not valid YAML"),
        (f"users: [{{token: {TOKEN}\n", "config, line 2 is not valid YAML"),
        (f"{TOKEN}\n", "is not a kubeconfig"),
        (f"- {TOKEN}\n", "is not a kubeconfig"),
        (f"users: [{{name: u, user: {TOKEN}}}]\n", "users must be a list of entries with a name and a user"),
        (f"users: {TOKEN}\n", "users must be a list"),
        ("users: 5\n", "users must be a list"),
        ("contexts: [{name: [a], context: {}}]\n", "contexts must be a list"),
        ("", "has no current context; set one with `kubectl config use-context NAME`"),
        ("current-context: {a: b}\n", "has no current context"),
        ("current-context: missing\n", "context missing is not defined in the kubeconfig"),
        (
            "current-context: c\ncontexts: [{name: c, context: {cluster: missing}}]\n",
            "cluster missing is not defined in the kubeconfig",
        ),
        (
            "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: missing}}]\n",
            "user missing is not defined in the kubeconfig",
        ),
        (
            "current-context: c\ncontexts: [{name: c, context: {cluster: 5}}]\n",
            "context c in the kubeconfig is invalid",
        ),
        (acting("{as-groups: [canary]}"), "user u in the kubeconfig is invalid: .* require as; add it"),
        (acting("{as-uid: canary}"), "require as"),
        (acting("{as-user-extra: {canary: [x]}}"), "require as"),
        (acting('{as: "canary\\r\\nX-Evil: y"}'), "must not contain control characters"),
        (acting('{as: a, as-user-extra: {k: ["canary\\n"]}}'), "must not contain control characters"),
        (acting("{as: [canary]}"), "user u in the kubeconfig is invalid: as: "),
        (acting("{as: a, as-user-extra: {canary: 5}}"), "user u in the kubeconfig is invalid: as-user-extra: "),
        (acting("{exec: {command: x, env: [{name: canary, value: 5}]}}"), r"is invalid: exec.env.0.value: "),
        (acting('{token: "canary\\n"}'), "token must be printable ASCII"),
        (
            acting("{auth-provider: {name: canary}}"),
            r"auth-provider is not supported; use a credential plugin \(exec\)",
        ),
    ],
)
def test_errors_do_not_quote_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config").write_text(text)
    named(monkeypatch, tmp_path / "config")
    with pytest.raises(BadKubeconfig) as bad:
        kubeconfig.current()
    assert re.search(message, str(bad.value))
    assert "canary" not in str(bad.value)


def test_binary_file_is_not_valid_yaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00canary")
    named(monkeypatch, tmp_path / "config")
    with pytest.raises(BadKubeconfig, match=r"config is not valid YAML$"):
        kubeconfig.current()


@pytest.mark.parametrize("name", ["missing", "."])
def test_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    named(monkeypatch, tmp_path / name)
    with pytest.raises(BadKubeconfig, match=f"{tmp_path / name} not found"):
        kubeconfig.current()

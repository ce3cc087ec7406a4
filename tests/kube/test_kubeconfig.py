"""The kubeconfig: several files as one, plugins of today, and no text of it in any message."""

import json
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


def test_the_first_file_that_says_something_is_believed_and_missing_ones_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.write_text("contexts: []\nusers: [{name: c, user: {token: mine}}]\n")
    second = written(tmp_path / "second", "https://second", user={"token": "theirs"})
    third = written(tmp_path / "third", "https://third", context="other")
    named(monkeypatch, tmp_path / "missing", first, second, third)
    found = kubeconfig.current()
    assert (found.context_name, found.cluster.server, found.namespace) == ("c", "https://second", "shop")
    assert found.user is not None
    assert found.user.token == "mine"


def test_paths_are_relative_to_the_file_that_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    first = tmp_path / "first"
    first.write_text("current-context: c\n")
    user = {"tokenFile": "token", "client-certificate": "/etc/cert"}
    named(monkeypatch, first, written(tmp_path / "inner" / "second", "https://second", user=user))
    found = kubeconfig.current().user
    assert found is not None
    assert (found.token_file, found.client_cert) == (str(tmp_path / "inner" / "token"), "/etc/cert")


def test_a_plugin_is_told_which_version_is_spoken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = "client.authentication.k8s.io/v1"
    plugin = {"apiVersion": version, "command": "bin/tool", "env": [{"name": "A", "value": "b"}]}
    named(monkeypatch, written(tmp_path / "config", "https://first", user={"exec": plugin}))
    user = kubeconfig.current().user
    assert user is not None
    assert user.exec is not None
    assert user.exec.command == str(tmp_path / "bin" / "tool")
    env = {item.name: item.value for item in user.exec.env or ()}
    assert env["A"] == "b"
    assert json.loads(env["KUBERNETES_EXEC_INFO"])["apiVersion"] == version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"users:\n- name: u\n  user:\n    token: {TOKEN}: x\n", "config, line 4 is not YAML"),
        (f"users: [{{token: {TOKEN}\n", "config, line 2 is not YAML"),
        (f"{TOKEN}\n", "is no kubeconfig"),
        (f"- {TOKEN}\n", "is no kubeconfig"),
        (f"users: [{{name: u, user: {TOKEN}}}]\n", "users is no list in which each has a name and a user"),
        (f"users: {TOKEN}\n", "users is no list"),
        ("users: 5\n", "users is no list"),
        ("contexts: [{name: [a], context: {}}]\n", "contexts is no list"),
        ("", "has no current context; choose one with `kubectl config use-context NAME`"),
        ("current-context: {a: b}\n", "has no current context"),
        ("current-context: gone\n", "names the context gone"),
        ("current-context: c\ncontexts: [{name: c, context: {cluster: gone}}]\n", "names the cluster gone"),
        ("current-context: c\ncontexts: [{name: c, context: {cluster: c, user: gone}}]\n", "names the user gone"),
        ("current-context: c\ncontexts: [{name: c, context: {cluster: 5}}]\n", "the context c of the kubeconfig"),
        (acting("{as-groups: [canary]}"), "the user u of the kubeconfig is wrong: .* need as; add it"),
        (acting("{as-uid: canary}"), "need as"),
        (acting("{as-user-extra: {canary: [x]}}"), "need as"),
        (acting('{as: "canary\\r\\nX-Evil: y"}'), "must not have control characters"),
        (acting('{as: a, as-user-extra: {k: ["canary\\n"]}}'), "must not have control characters"),
        (acting("{as: [canary]}"), "the user u of the kubeconfig is wrong"),
    ],
)
def test_what_is_wrong_is_told_without_the_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "config").write_text(text)
    named(monkeypatch, tmp_path / "config")
    with pytest.raises(BadKubeconfig) as bad:
        kubeconfig.current()
    assert re.search(told, str(bad.value))
    assert "canary" not in str(bad.value)


def test_a_file_of_another_kind_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00canary")
    named(monkeypatch, tmp_path / "config")
    with pytest.raises(BadKubeconfig, match=r"config is not YAML$"):
        kubeconfig.current()


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    named(monkeypatch, tmp_path / name)
    with pytest.raises(BadKubeconfig, match=f"there is no file {tmp_path / name}"):
        kubeconfig.current()

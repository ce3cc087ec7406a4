"""The API server client of the CLI, and its errors."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kube.api import Answer, Api, api, listed, status, written

from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiRefused, ApiUnavailable, NoCluster
from dynconfig.model.key import Key

V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


def reading(file: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setenv("KUBECONFIG", str(file))
    return Reader.from_environment()


def plugin(folder: Path, script: str, version: str = V1) -> dict[str, Any]:
    """A user with a credential plugin."""
    tool = folder / "tool"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {"exec": {"apiVersion": version, "command": str(tool), "installHint": "get it from the shop"}}


def printed(status: object, version: str = V1) -> str:
    """Return the script of a plugin that prints this status."""
    return f"echo '{json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': status})}'"


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_token_of_a_credential_plugin_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    user = plugin(tmp_path, printed({"token": "of-the-plugin"}, version), version)
    with api(lambda _path: listed()) as server:
        assert reading(server.kubeconfig(tmp_path, **user), monkeypatch).objects("shop") == ([], "5")
    assert server.tokens == ["Bearer of-the-plugin"]


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ("echo '{}'", ApiUnavailable, "failed: .*missing key 'apiVersion'"),
        ("echo canary", ApiUnavailable, "failed: .*failed to decode process output"),
        ("echo 5", NoCluster, "returned no token"),
        (printed(None), NoCluster, "returned no token"),
        (printed({}), NoCluster, "returned no token"),
        (printed({"token": ["canary"]}), NoCluster, "returned no token"),
        (printed({"token": "canary", "expirationTimestamp": "canary"}), NoCluster, "returned no token"),
        ("printf 'the session\\nhas expired' >&2; exit 1", ApiUnavailable, "the session has expired$"),
    ],
)
def test_plugin_without_token_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, error: type[Exception], message: str
) -> None:
    file = written(tmp_path / "config", "http://127.0.0.1:9", user=plugin(tmp_path, script))
    with pytest.raises(error, match=f"credential plugin {tmp_path}/tool in the kubeconfig .*{message}") as failed:
        reading(file, monkeypatch).objects("shop")
    assert "canary" not in str(failed.value)


def test_missing_plugin_is_reported_with_its_install_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    user = plugin(tmp_path, "")
    user["exec"]["command"] = "no-such-tool"
    file = written(tmp_path / "config", "http://127.0.0.1:9", user=user)
    with pytest.raises(
        NoCluster, match=r"credential plugin no-such-tool .* cannot be started: .*; get it from the shop"
    ):
        reading(file, monkeypatch).objects("shop")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (status(401, "Unauthorized"), ApiRefused, "the Kubernetes API server: Unauthorized; .* log in again"),
        (status(403, "x is forbidden"), ApiRefused, "the Kubernetes API server: x is forbidden$"),
        (
            (404, b"404 page not found\n"),
            ApiRefused,
            "the Kubernetes API server: 404 page not found; if the CRD .* is missing, install it",
        ),
        (status(404, "could not find the requested resource"), ApiRefused, r"`dynconfig crd \| kubectl apply -f -`"),
        (status(500, "etcd is away"), ApiUnavailable, "the Kubernetes API server returned 500: etcd is away"),
        (
            (200, b"<html>log in</html>"),
            ApiUnavailable,
            r"got a non-Kubernetes response \(HTTP 200\); check for a proxy, a login page",
        ),
        ((403, b"<html>no way out</html>"), ApiUnavailable, r"got a non-Kubernetes response \(HTTP 403\)"),
        ((302, b""), ApiUnavailable, r"got a non-Kubernetes response \(HTTP 302\)"),
        ((200, b"[]"), ApiUnavailable, "got a non-Kubernetes response"),
    ],
)
def test_failed_list_is_reported_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Answer, error: type[Exception], message: str
) -> None:
    with api(lambda _path: answer) as server, pytest.raises(error, match=message):
        reading(server.kubeconfig(tmp_path), monkeypatch).objects("shop")


def test_missing_object_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with api(lambda _path: status(404, "not found", name="myapp")) as server:
        assert reading(server.kubeconfig(tmp_path), monkeypatch).object(Key("shop", "myapp")) is None


def test_forbidden_cluster_id_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = status(403, 'namespaces "kube-system" is forbidden', name="kube-system")
    with api(lambda _path: answer) as server, pytest.raises(ApiRefused, match="DYNCONFIG_CLUSTER_ID"):
        reading(server.kubeconfig(tmp_path), monkeypatch).cluster_id()


@pytest.mark.parametrize("server", ["not a url", "ftp://x"])
def test_invalid_server_url_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str) -> None:
    with pytest.raises(NoCluster, match="cluster c in the kubeconfig is invalid: server: "):
        reading(written(tmp_path / "config", server, user={"token": "t"}), monkeypatch).objects("shop")


@pytest.mark.parametrize(
    "user", [{"client-certificate": "/nowhere", "client-key": "/nowhere"}, {"client-key-data": "!"}]
)
def test_unreadable_certificates_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: dict[str, str]
) -> None:
    file = written(tmp_path / "config", "https://127.0.0.1:9", user={"client-certificate-data": "AAAA", **user})
    with pytest.raises(NoCluster, match="the kubeconfig's context c: its certificates cannot be read"):
        reading(file, monkeypatch)


def test_watch_ends_in_time_if_the_server_ignores_the_timeout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    is_over = threading.Event()

    def silence() -> Iterator[bytes]:
        is_over.wait(30)
        yield b""

    with api(lambda _path: (200, silence())) as server:
        started = time.monotonic()
        assert list(watched(server, tmp_path, monkeypatch, 0.3)) == []
        assert time.monotonic() - started < 10
        is_over.set()


def test_incomplete_watch_event_is_retryable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (
        api(lambda _path: (200, iter([b'{"type": "MOD']))) as server,
        pytest.raises(ApiUnavailable, match="in the middle of an event"),
    ):
        list(watched(server, tmp_path, monkeypatch, 5))


def test_redirected_watch_is_retryable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with api(lambda _path: (302, b"")) as server, pytest.raises(ApiUnavailable, match="HTTP 302"):
        list(watched(server, tmp_path, monkeypatch, 5))


def watched(server: Api, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[tuple[str, Any]]:
    return reading(server.kubeconfig(folder), monkeypatch).watch("shop", "5", seconds)

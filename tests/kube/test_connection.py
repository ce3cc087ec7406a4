"""How both clients connect: credentials that are renewed, certificates, proxies, the service account of a pod."""

import asyncio
import base64
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.kube.api import Answer, Api, api, status, written
from tests.kube.certificates import SERVER, Certificates, certificates

from dynconfig.kube import kubeconfig, renewed_token
from dynconfig.kube.client import Kube
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiRefused, ApiUnavailable, NoCluster
from dynconfig.model.key import Key

KEY = Key("shop", "myapp")
FOUND = (200, b'{"metadata": {"name": "myapp"}}')
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"

Client = Callable[[], AbstractContextManager[Callable[[], object]]]


@contextmanager
def cli() -> Iterator[Callable[[], object]]:
    """Yield a request by the client of the CLI."""
    reader = Reader.from_environment()
    try:
        yield lambda: reader.object(KEY)
    finally:
        reader.close()


@contextmanager
def operator() -> Iterator[Callable[[], object]]:
    """Yield a request by the client of the operator."""
    kube = Kube.from_environment()
    with asyncio.Runner() as runner:
        try:
            yield lambda: runner.run(kube.object(KEY))
        finally:
            runner.run(kube.close())


@contextmanager
def kopf() -> Iterator[Callable[[], object]]:
    """Yield a request by the session that kopf uses."""
    kube = Kube.from_environment()

    async def act() -> bytes:
        async with await kube.session() as session, session.get(f"{kube.configuration.host}/api") as response:
            return await response.read()

    with asyncio.Runner() as runner:
        try:
            yield lambda: runner.run(act())
        finally:
            runner.run(kube.close())


both = pytest.mark.parametrize("client", [cli, operator])
every = pytest.mark.parametrize("client", [cli, operator, kopf])


@pytest.fixture(autouse=True)
def is_outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KUBERNETES_SERVICE_HOST", "KUBECONFIG", *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO"))):
        monkeypatch.delenv(variable, raising=False)


def accepting(*tokens: str) -> Callable[[list[str]], Answer]:
    """Return an answer to these tokens only, of a list whose last is the one of the request."""
    return lambda sent: FOUND if sent[-1] in [f"Bearer {token}" for token in tokens] else status(401, "Unauthorized")


@contextmanager
def serving(answer: Callable[[list[str]], Answer]) -> Iterator[Api]:
    """Run a server that answers by the tokens that it has received."""
    with api(lambda _path: answer(server.tokens)) as server:
        yield server


def plugin(folder: Path, status: dict[str, str], wait: str = "") -> dict[str, Any]:
    """Return a user whose plugin prints this status and notes each run."""
    tool = folder / "tool"
    version = "client.authentication.k8s.io/v1"
    output = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    tool.write_text(f"#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >> {folder}/runs\n{wait}\necho '{output}'\n")
    tool.chmod(0o755)
    return {"exec": {"apiVersion": version, "command": str(tool), "provideClusterInfo": True}}


def runs(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "runs").read_text().splitlines()]


@both
def test_rejected_token_is_read_from_its_file_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client
) -> None:
    file, accepted = tmp_path / "token", ["first"]
    file.write_text("first\n")
    with serving(lambda sent: accepting(*accepted)(sent)) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, tokenFile="token", token="old")))
        with client() as request:
            request()
            file.write_text("second\n")
            request()
            accepted[:] = ["second"]
            request()
    assert server.tokens == ["Bearer first", "Bearer first", "Bearer first", "Bearer second"]


@both
def test_token_file_is_read_again_after_a_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client
) -> None:
    monkeypatch.setattr(renewed_token, "FILE_SECONDS", -1.0)
    (tmp_path / "token").write_text("first")
    with serving(accepting("first", "second")) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, tokenFile="token")))
        with client() as request:
            request()
            (tmp_path / "token").write_text("second")
            request()
    assert server.tokens == ["Bearer first", "Bearer second"]


@both
@pytest.mark.parametrize("text", ["", "\n", "canary\nX-Evil: y", "canarŷ"])
def test_file_without_token_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client, text: str
) -> None:
    (tmp_path / "token").write_text(text)
    file = written(tmp_path / "config", "http://127.0.0.1:9", user={"tokenFile": "token"})
    monkeypatch.setenv("KUBECONFIG", str(file))
    with client() as request, pytest.raises((NoCluster, ApiUnavailable), match="token contains no token") as failed:
        request()
    assert "canary" not in str(failed.value)


@both
@pytest.mark.parametrize(("expires", "count"), [(PAST, 3), (FUTURE, 1), ("", 1)])
def test_plugin_runs_again_when_its_token_has_expired(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client, expires: str, count: int
) -> None:
    user = plugin(tmp_path, {"token": "t", **({"expirationTimestamp": expires} if expires else {})})
    with serving(accepting("t")) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, **user)))
        with client() as request:
            for _ in range(3):
                request()
    assert len(runs(tmp_path)) == count
    assert runs(tmp_path)[0]["spec"]["cluster"]["server"] == server.url


@both
def test_plugin_runs_once_more_when_its_token_is_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client
) -> None:
    with serving(accepting("other")) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, **plugin(tmp_path, {"token": "t"}))))
        with client() as request, pytest.raises(ApiRefused, match="log in again"):
            request()
    assert (len(runs(tmp_path)), len(server.tokens)) == (2, 2)


@both
@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"token": "t", "exec": {"command": "/nowhere"}}, "Bearer t"),
        ({"username": "jane", "password": "x"}, f"Basic {base64.b64encode(b'jane:x').decode()}"),
    ],
)
def test_rejected_fixed_credentials_are_not_sent_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client, user: dict[str, Any], header: str
) -> None:
    with serving(accepting("other")) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, **user)))
        with client() as request, pytest.raises(ApiRefused):
            request()
    assert server.tokens == [header]


def test_operator_works_on_while_a_plugin_runs_once_for_all_requests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The plugin waits for the event loop, which a plugin in the loop's thread would block."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def act() -> None:
        kube = Kube.from_environment()
        out = os.open(pipe, os.O_RDWR)
        try:
            requests = [asyncio.create_task(kube.object(KEY)) for _ in range(5)]
            asyncio.get_running_loop().call_soon(os.write, out, b"go\n")
            await asyncio.gather(*requests)
        finally:
            os.close(out)
            await kube.close()

    user = plugin(tmp_path, {"token": "t"}, wait=f"timeout 10 head -n 1 {pipe} >&2 || exit 1")
    with serving(accepting("t")) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, **user)))
        asyncio.run(act())
    assert (len(runs(tmp_path)), len(server.tokens)) == (1, 5)


@both
def test_service_account_of_a_pod_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client) -> None:
    context = certificates(tmp_path, "127.0.0.1").context()
    context.verify_mode = ssl.CERT_NONE
    token = tmp_path / "token"
    token.write_text("first\n")
    (tmp_path / "namespace").write_text("dynconfig-system\n")
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    accepted = ["first"]
    with api(lambda _path: accepting(*accepted)(server.tokens), context) as server:
        host, _, port = server.url.removeprefix("https://").partition(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        assert kubeconfig.current().namespace == "dynconfig-system"
        with client() as request:
            request()
            token.write_text("second\n")
            accepted[:] = ["second"]
            request()
    assert server.tokens == ["Bearer first", "Bearer first", "Bearer second"]


@pytest.fixture
def pem(tmp_path: Path) -> Certificates:
    return certificates(tmp_path)


@contextmanager
def tls_server(
    pem: Certificates, monkeypatch: pytest.MonkeyPatch, cluster: Mapping[str, object], user: Mapping[str, object]
) -> Iterator[Api]:
    """Run a server that requires a client certificate, and set KUBECONFIG to it."""
    with api(lambda _path: FOUND, pem.context()) as server:
        file = written(pem.authority.parent / "config", server.url, cluster=dict(cluster), user=dict(user))
        monkeypatch.setenv("KUBECONFIG", str(file))
        yield server


def encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


NAMED = {"tls-server-name": SERVER}
AUTHORITY = {"certificate-authority": "ca.crt", **NAMED}
FILES = {"client-certificate": "client.crt", "client-key": "client.key"}


@every
def test_certificates_are_read_from_files(monkeypatch: pytest.MonkeyPatch, pem: Certificates, client: Client) -> None:
    with tls_server(pem, monkeypatch, AUTHORITY, FILES) as server, client() as request:
        request()
    assert len(server.requests) == 1


@every
def test_certificates_are_read_from_the_kubeconfig_and_leave_no_file(
    monkeypatch: pytest.MonkeyPatch, pem: Certificates, client: Client
) -> None:
    folder = pem.authority.parent / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    cluster = {"certificate-authority-data": encoded(pem.authority), **NAMED}
    user = {"client-certificate-data": encoded(pem.client), "client-key-data": encoded(pem.client_key)}
    for _ in range(2):
        with tls_server(pem, monkeypatch, cluster, user) as server, client() as request:
            request()
            request()
        assert len(server.requests) == 2
        assert list(folder.iterdir()) == []


@every
def test_insecure_connections_are_possible(monkeypatch: pytest.MonkeyPatch, pem: Certificates, client: Client) -> None:
    with tls_server(pem, monkeypatch, {"insecure-skip-tls-verify": True}, FILES) as server, client() as request:
        request()
    assert len(server.requests) == 1


@both
@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        ({"certificate-authority": "ca.crt"}, FILES, "Hostname mismatch|IP address mismatch"),
        (NAMED, FILES, "certificate verify failed"),
        (AUTHORITY, {"token": "canary"}, ""),
    ],
    ids=["other name", "other authority", "no client certificate"],
)
def test_failed_handshake_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    pem: Certificates,
    client: Client,
    *,
    cluster: Mapping[str, object],
    user: Mapping[str, object],
    message: str,
) -> None:
    with (
        tls_server(pem, monkeypatch, cluster, user) as server,
        client() as request,
        pytest.raises(ApiUnavailable, match=f"the Kubernetes API server is unavailable: .*({message})") as failed,
    ):
        request()
    assert "\n" not in str(failed.value)
    assert "canary" not in str(failed.value)
    assert server.requests == []


@both
@pytest.mark.parametrize("user", [{"client-certificate": "/nowhere"}, {"client-certificate-data": "AAAA"}])
def test_unreadable_certificates_are_reported_at_the_start(
    monkeypatch: pytest.MonkeyPatch, pem: Certificates, client: Client, user: Mapping[str, object]
) -> None:
    with (
        tls_server(pem, monkeypatch, AUTHORITY, {"client-key": "client.key", **user}),
        pytest.raises(NoCluster, match="context c: its certificates cannot be read: "),
        client(),
    ):
        pytest.fail("connected")


@both
def test_authority_in_the_kubeconfig_needs_no_writable_folder(
    monkeypatch: pytest.MonkeyPatch, pem: Certificates, client: Client
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    cluster = {"certificate-authority-data": encoded(pem.authority), **NAMED}
    with tls_server(pem, monkeypatch, cluster, FILES) as server, client() as request:
        request()
    assert len(server.requests) == 1


@every
@pytest.mark.parametrize("no_proxy", ["", "*"])
def test_proxy_of_the_kubeconfig_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client, no_proxy: str
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with api(lambda _path: FOUND) as proxy:
        file = written(tmp_path / "config", "http://kubernetes.test", cluster={"proxy-url": proxy.url})
        monkeypatch.setenv("KUBECONFIG", str(file))
        with client() as request:
            request()
    assert [path.startswith("http://kubernetes.test/api") for path in proxy.requests] == [True]


@every
def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client) -> None:
    with api(lambda _path: FOUND) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "config", "http://kubernetes.test")))
        with client() as request:
            request()
    assert len(proxy.requests) == 1


@both
@pytest.mark.parametrize("cluster", [{"server": "ftp://x"}, {"proxy-url": "socks5://x"}, {"server": "canary"}])
def test_invalid_url_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client, cluster: Mapping[str, object]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "config", "https://x", cluster=cluster)))
    with (
        pytest.raises(
            NoCluster, match=r"cluster c in the kubeconfig is invalid: (server|proxy-url): String should match"
        ) as failed,
        client(),
    ):
        pytest.fail("connected")
    assert "canary" not in str(failed.value)

"""User impersonation: every request of both clients has the headers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kube.api import Api, api, listed

from dynconfig.kube import responses
from dynconfig.kube.client import Kube
from dynconfig.kube.reader import Reader
from dynconfig.model.key import Key

KEY = Key("shop", "myapp")
USER = {
    "token": "canary-token",
    "as": "jané@example.com",
    "as-uid": "06f6ce97",
    "as-groups": ["developers", "admins"],
    "as-user-extra": {"Scopes": ["view", "edit"], "acme.com/project": ["some"], "100%é": ["x"]},
}
# https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
EXPECTED = [
    ("impersonate-extra-100%25%c3%a9", "x"),
    ("impersonate-extra-acme.com%2fproject", "some"),
    ("impersonate-extra-scopes", "edit"),
    ("impersonate-extra-scopes", "view"),
    ("impersonate-group", "admins"),
    ("impersonate-group", "developers"),
    ("impersonate-uid", "06f6ce97"),
    ("impersonate-user", "jané@example.com"),
]


def read() -> None:
    reader = Reader.from_environment()
    reader.object(KEY)
    reader.objects("shop")
    list(reader.watch("shop", "5", 1.0))
    reader.close()


def serve() -> None:
    async def act() -> None:
        kube = Kube(responses.config())
        await kube.object(KEY)
        async with kube.object_pages("shop") as pages:
            [_ async for _ in pages]
        [_ async for _ in kube.watch_objects("shop", "5").changes()]
        await kube.close()

    asyncio.run(act())


def impersonated(server: Api) -> list[list[tuple[str, str]]]:
    """Return the headers of each request; values are UTF-8, which the server decodes as Latin-1."""
    return [
        sorted(
            (name.lower(), value.encode("latin-1").decode())
            for name, value in headers
            if name.lower().startswith("impersonate-")
        )
        for headers in server.headers
    ]


@pytest.mark.parametrize("client", [read, serve])
def test_every_request_has_the_impersonation_headers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Callable[[], None]
) -> None:
    with api(lambda path: (200, b"") if "watch" in path else listed()) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, **USER)))
        client()
    assert len(server.requests) == 3
    assert impersonated(server) == [EXPECTED] * 3
    assert set(server.tokens) == {"Bearer canary-token"}


@pytest.mark.parametrize("client", [read, serve])
@pytest.mark.parametrize("user", [{}, {"as": "", "as-groups": []}, {"as": None, "as-user-extra": None}])
def test_no_impersonation_sends_no_headers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Callable[[], None], user: dict[str, object]
) -> None:
    with api(lambda path: (200, b"") if "watch" in path else listed()) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, token="t", **user)))
        client()
    assert impersonated(server) == [[]] * 3


def test_session_for_kopf_has_the_impersonation_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def act() -> None:
        kube = Kube(responses.config())
        async with await kube.session() as session, session.get(f"{kube.configuration.host}/api"):
            await kube.close()

    with api(lambda _path: listed()) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path, **USER)))
        asyncio.run(act())
    assert impersonated(server) == [EXPECTED]
    assert server.tokens == ["Bearer canary-token"]

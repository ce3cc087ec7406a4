"""An API server with scripted responses, and a kubeconfig for it."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

Answer = tuple[int, bytes | Iterator[bytes]]
"""Status, and a body, or the lines of a watch: each is sent when it comes, and the connection is closed after the last."""


@dataclass
class Api:
    """Passes the path of each request to `answer` and records the request."""

    answer: Callable[[str], Answer]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    headers: list[list[tuple[str, str]]] = field(default_factory=list)

    def kubeconfig(self, folder: Path, **user: Any) -> Path:
        """A kubeconfig for this server."""
        return written(folder / "kubeconfig", self.url, user=user or {"token": "canary-token"})


def written(file: Path, server: str, *, context: str = "c", **sections: Any) -> Path:
    """A kubeconfig of one context."""
    document = {
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": server, **sections.get("cluster", {})}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": "shop"}}],
        "users": [{"name": context, "user": sections.get("user", {})}],
    }
    file.write_text(yaml.safe_dump(document))
    return file


def status(code: int, message: str, **details: str) -> Answer:
    """An error response of Kubernetes."""
    body = {"kind": "Status", "metadata": {}, "message": message, "code": code, "details": details}
    return code, json.dumps(body).encode()


def listed(*documents: Any) -> Answer:
    """A list of objects."""
    return 200, json.dumps({"metadata": {"resourceVersion": "5"}, "items": documents}).encode()


@contextmanager
def api(answer: Callable[[str], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Api]:
    """Run the server within a `with` block."""
    found = Api(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            found.tokens.append(self.headers.get("Authorization", ""))
            found.headers.append(self.headers.items())
            code, body = found.answer(self.path)
            self.send_response(code)
            self.end_headers()
            for part in (body,) if isinstance(body, bytes) else body:
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        server.block_on_close = False
        found.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()

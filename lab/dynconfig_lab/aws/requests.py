"""A request on its way to moto, as the lab's services see it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from dynconfig_lab.aws.answers import Answer
from dynconfig_lab.aws.calls import Call

Document = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """The request, and a way to call moto with the given path, query and body."""

    call: Call
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    send: Callable[[str, str, bytes], Answer] = field(repr=False)

    @property
    def region(self) -> str:
        """The region of the request."""
        return self.call.region

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the URL; the last value of each name."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def document(self) -> Document:
        """The body of a request in a JSON protocol."""
        found: Document = json.loads(self.body or b"{}")
        return found

    def forward(self, document: Mapping[str, Any] | None = None, *, path: str = "", query: str | None = None) -> Answer:
        """Moto's response, optionally to other parameters."""
        body = self.body if document is None else json.dumps(document).encode()
        return self.send(path or self.path, self.query_string if query is None else query, body)


Service = Callable[[Request], Answer]
"""Handles the calls of one service. Raises AwsError."""

"""A request on its way to moto, as the lab's services look at it."""

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
    """What was asked, and a way to ask moto: for the path, query and body given."""

    call: Call
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    send: Callable[[str, str, bytes], Answer] = field(repr=False)

    @property
    def region(self) -> str:
        """Where it is to happen."""
        return self.call.region

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the URL; the last of each name."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def document(self) -> Document:
        """The body, of a service that speaks JSON."""
        found: Document = json.loads(self.body or b"{}")
        return found

    def forward(self, document: Mapping[str, Any] | None = None, *, path: str = "", query: str | None = None) -> Answer:
        """Moto's answer, to something else where that is given."""
        body = self.body if document is None else json.dumps(document).encode()
        return self.send(path or self.path, self.query_string if query is None else query, body)


Service = Callable[[Request], Answer]
"""Answers the calls of one service. Raises AwsError."""

"""Responses of the JSON protocols, as AWS sends them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

StartResponse = Callable[..., Any]
CONTENT_TYPE = "application/x-amz-json-1.1"


class AwsError(Exception):
    """An AWS error: code, text and HTTP status, and the name of its shape if that differs from the code."""

    def __init__(self, code: str, message: str, status: int = 400, shape: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.shape = shape or code


@dataclass(frozen=True)
class Answer:
    """A complete HTTP response."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Answer":
        """A successful response."""
        return cls("200 OK", (("Content-Type", CONTENT_TYPE),), json.dumps(document).encode())

    @classmethod
    def of_error(cls, error: AwsError) -> "Answer":
        """An error response."""
        body = json.dumps({"__type": error.shape, "message": error.message, "Message": error.message}).encode()
        reason = "Internal Server Error" if error.status >= 500 else "Bad Request"
        headers = (("Content-Type", CONTENT_TYPE), ("x-amzn-ErrorType", error.shape), *_query_code(error))
        return cls(f"{error.status} {reason}", headers, body)

    @classmethod
    def of_query_error(cls, error: AwsError) -> "Answer":
        """An error response of a service with the query protocol."""
        details = f"<Type>Sender</Type><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        body = f"<ErrorResponse><Error>{details}</Error><RequestId>lab</RequestId></ErrorResponse>".encode()
        reason = "Internal Server Error" if error.status >= 500 else "Bad Request"
        return cls(f"{error.status} {reason}", (("Content-Type", "text/xml"),), body)

    @property
    def is_success(self) -> bool:
        """Whether the call succeeded."""
        return self.status.startswith("2")

    def document(self) -> dict[str, Any]:
        """The body, parsed."""
        found: dict[str, Any] = json.loads(self.body or b"{}")
        return found

    def send(self, start_response: StartResponse) -> list[bytes]:
        """Send the response through the WSGI server."""
        kept = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        start_response(self.status, [*kept, ("Content-Length", str(len(self.body)))])
        return [self.body]


def _query_code(error: AwsError) -> tuple[tuple[str, str], ...]:
    """Services that once used the query protocol still send its error codes in a header."""
    fault = "Receiver" if error.status >= 500 else "Sender"
    return (("x-amzn-query-error", f"{error.code};{fault}"),) if error.shape != error.code else ()


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, including empty ones."""
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)

"""The wire protocols of CloudWatch, decoded to plain values and encoded: JSON, Smithy RPC v2 with CBOR, and query.

boto3 prefers JSON; other SDKs and older versions use one of the other two.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel
from botocore.utils import parse_timestamp
from moto.core.parse import QueryParser
from moto.core.serialize import QuerySerializer
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from dynconfig_lab.aws import cbor
from dynconfig_lab.aws.answers import Answer, AwsError, parse_form
from dynconfig_lab.aws.calls import Call

Document = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """The protocol of a caller."""

    name: str

    def request(self, call: Call, body: bytes) -> Document:
        """The decoded parameters, with timezone-aware timestamps. Raises AwsError if CloudWatch has no such operation."""
        if call.operation not in _service().operation_names:
            raise AwsError("InvalidAction", f"CloudWatch has no operation {call.operation}.")
        if self.name == "query":
            return _from_form(call.operation, body)
        document = cbor.decode(body) if self.name == "cbor" else json.loads(body or b"{}")
        typed: Document = _typed(operation(call.operation).input_shape, document)
        return typed

    def answer(self, call: Call, document: Document) -> Answer:
        """A successful response."""
        if self.name == "query":
            return _as_form(call.operation, document)
        if self.name == "cbor":
            return Answer("200 OK", _CBOR_HEADERS, cbor.encode(document))
        return Answer(
            "200 OK", (("Content-Type", "application/x-amz-json-1.0"),), json.dumps(_plain(document)).encode()
        )

    def refusal(self, error: AwsError) -> Answer:
        """An error response; its code is also sent in a header, since the other protocols name some errors differently."""
        if self.name == "query":
            return Answer.of_query_error(error)
        answer_of_error = Answer.of_error(error)
        code = (("x-amzn-query-error", f"{error.code};{'Receiver' if error.status >= 500 else 'Sender'}"),)
        if self.name == "cbor":
            body = cbor.encode({"__type": error.code, "message": error.message})
            return replace(answer_of_error, headers=_CBOR_HEADERS + code, body=body)
        return replace(answer_of_error, headers=answer_of_error.headers + code)


_CBOR_HEADERS = (("Content-Type", cbor.CONTENT_TYPE), ("smithy-protocol", "rpc-v2-cbor"))


def wire_of(environ: Mapping[str, Any]) -> Wire:
    """The protocol of a request, from its headers."""
    kind = environ.get("CONTENT_TYPE", "")
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor" or kind == cbor.CONTENT_TYPE:
        return Wire("cbor")
    return Wire("query" if kind.startswith("application/x-www-form-urlencoded") else "json")


def operation(name: str) -> OperationModel:
    """The botocore model of an operation."""
    return _service().operation_model(name)


@cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("cloudwatch")


def _typed(shape: Any, value: Any) -> Any:
    """The value with its timestamps as datetime objects."""
    match getattr(shape, "type_name", None):
        case "structure":
            return {
                name: _typed(shape.members.get(name), item) for name, item in (value or {}).items() if item is not None
            }
        case "list":
            return [_typed(shape.member, item) for item in value]
        case "timestamp":
            return parse_timestamp(value).astimezone(UTC)
        case "double":
            return float(value)
        case _:
            return value


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return round(value.timestamp(), 3)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _from_form(name: str, body: bytes) -> Document:
    form = MultiDict(parse_form(body))
    model = get_service_model("cloudwatch").operation_model(name)
    parser = QueryParser(model, timestamp_parser=lambda text: parse_timestamp(text).astimezone(UTC))
    found: Document = parser.parse(
        {"method": "POST", "values": form, "headers": Headers(), "body": body, "url_path": "/", "url_params": {}}
    )
    return found


def _as_form(name: str, document: Document) -> Answer:
    serializer = QuerySerializer(get_service_model("cloudwatch").operation_model(name))
    answer = serializer.serialize(document)
    body = answer["body"]
    return Answer("200 OK", (("Content-Type", "text/xml"),), body if isinstance(body, bytes) else body.encode())

"""CBOR as Smithy RPC v2 uses it: plain values, and timestamps as tag 1.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import struct
from datetime import datetime
from typing import Any

from botocore.parsers import RpcV2CBORParser

CONTENT_TYPE = "application/cbor"
_TEXT, _LIST, _MAP = 3, 4, 5
# The first value that needs a length field of this many bytes.
_WIDTHS = ((1 << 8, 24, 1), (1 << 16, 25, 2), (1 << 32, 26, 4), (1 << 64, 27, 8))


def decode(body: bytes) -> dict[str, Any]:
    """The map in a body; timestamps as seconds since 1970."""
    if not body:
        return {}
    parser: Any = RpcV2CBORParser(timestamp_parser=float)
    found: dict[str, Any] = parser._initial_body_parse(body)
    return found


def encode(value: Any) -> bytes:
    """Encode any value made of maps, lists, strings, numbers, booleans and timestamps."""
    match value:
        case bool() | int() | float() | datetime():
            return _number(value)
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case dict():
            return _head(_MAP, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())
        case _:
            return _head(_LIST, len(value)) + b"".join(encode(item) for item in value)


def _number(value: float | datetime) -> bytes:
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case datetime():
            return b"\xc1" + _number(value.timestamp())
        case _:
            return b"\xfb" + struct.pack(">d", value)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    info, width = next((info, width) for limit, info, width in _WIDTHS if number < limit)
    return bytes([major << 5 | info]) + number.to_bytes(width, "big")

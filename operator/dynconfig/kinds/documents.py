"""JSON documents such as policies: compared as documents, kept as one canonical text. Pure."""

import json
from typing import Any


def canonical(document: Any) -> str:
    """The document as a text that is the same for equal documents; a text is parsed first, if it is JSON."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return str(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}

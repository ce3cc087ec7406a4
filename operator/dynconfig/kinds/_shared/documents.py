"""JSON documents such as policies, in canonical form. Pure."""

import json
from typing import Any


def canonical(document: Any) -> str:
    """Return canonical JSON, equal for equal documents. A string is parsed first if it is JSON."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return str(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return an IAM policy with these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}

"""How extensions read Parameter Store: in the name of the function's role, by the lab's own endpoint.

Not through boto3, which would take its time to load within the first invocation.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.aws.roles import Roles

_PASSING = ("ThrottlingException", "InternalServerError")


class Readers:
    """Calls of the lab's own Parameter Store; safe for threads."""

    def __init__(self, endpoint: str, roles: Roles) -> None:
        self._address = urlsplit(endpoint).netloc
        self._roles = roles

    def get(self, region: str, role: str, name: str, decrypt: bool, timeout: float | None) -> Mapping[str, Any]:
        """SSM's Parameter. Raises OSError, where another try may help, or LookupError."""
        resource = f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/{_bare(name).removeprefix('/')}"
        if not self._roles.allows(role, "ssm:GetParameter", resource):
            raise LookupError(f"AccessDeniedException: {role} may not perform ssm:GetParameter on {resource}")
        status, answer = self._asked(region, {"Name": name, "WithDecryption": decrypt}, timeout)
        if status != 200:
            code, text = str(answer.get("__type", status)), answer.get("message", "")
            kind = OSError if status >= 500 or code in _PASSING else LookupError
            raise kind(f"{code}: {text}")
        parameter: dict[str, Any] = answer["Parameter"]
        at = datetime.fromtimestamp(parameter["LastModifiedDate"], UTC)
        return {**parameter, "LastModifiedDate": at}

    def _asked(self, region: str, request: Mapping[str, Any], timeout: float | None) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection(self._address, timeout=timeout)
        try:
            connection.request("POST", "/", json.dumps(request).encode(), _headers(region))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (HTTPException, ValueError) as error:
            raise OSError(f"no answer of Parameter Store: {error}") from None
        finally:
            connection.close()


def _headers(region: str) -> dict[str, str]:
    # The lab looks at the scope of a signature only.
    scope = f"Credential=lab/20270101/{region}/ssm/aws4_request"
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonSSM.GetParameter",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=lab",
    }


def _bare(name: str) -> str:
    """The name without the ARN around it and the selector after it."""
    path = name.partition(":parameter")[2] if name.startswith("arn:") else name
    return path.partition(":")[0]

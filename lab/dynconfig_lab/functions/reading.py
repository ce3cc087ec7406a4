"""How extensions read Parameter Store: with the function's role, at the lab's own endpoint.

Without boto3, which would be loaded within the first invocation.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from moto.kms.models import kms_backends
from moto.ssm.models import ssm_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.ssm_rules import canonical

DECRYPT = "kms:Decrypt"
AWS_KEY = "alias/aws/ssm"
_PASSING = ("ThrottlingException", "InternalServerError")


class Readers:
    """Calls of the lab's own Parameter Store; thread-safe."""

    def __init__(self, endpoint: str, roles: Roles) -> None:
        self._address = urlsplit(endpoint).netloc
        self._roles = roles

    def get(self, region: str, role: str, name: str, decrypt: bool, timeout: float | None) -> Mapping[str, Any]:
        """SSM's Parameter. Raises OSError if a retry may help, or LookupError."""
        resource = f"arn:aws:ssm:{region}:{accounts.current()}:parameter/{_bare(name).removeprefix('/')}"
        if not self._roles.allows(role, "ssm:GetParameter", resource):
            raise LookupError(f"AccessDeniedException: {role} may not perform ssm:GetParameter on {resource}")
        status, answer = self._asked(region, {"Name": name, "WithDecryption": decrypt}, timeout)
        if status != 200:
            code, text = str(answer.get("__type", status)), answer.get("message", "")
            kind = OSError if status >= 500 or code in _PASSING else LookupError
            raise kind(f"{code}: {text}")
        parameter: dict[str, Any] = answer["Parameter"]
        if decrypt and parameter["Type"] == "SecureString":
            self._check_key(region, role, parameter)
        at = datetime.fromtimestamp(parameter["LastModifiedDate"], UTC)
        return {**parameter, "LastModifiedDate": at}

    def _check_key(self, region: str, role: str, parameter: Mapping[str, Any]) -> None:
        """Parameter Store decrypts with the permissions of the caller. Raises LookupError.

        https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
        """
        key = _key(region, parameter)
        found = kms_backends[accounts.current()][region].keys.get(
            kms_backends[accounts.current()][region].any_id_to_key_id(key)
        )
        if found is None:
            raise LookupError(f"InvalidKeyId: {key}")
        context = {
            "kms:viaservice": f"ssm.{region}.amazonaws.com",
            "kms:encryptioncontext:parameter_arn": str(parameter["ARN"]),
        }
        if key.endswith(AWS_KEY):
            # Its policy allows all callers in the account through Parameter Store; a denial still applies.
            is_allowed = not self._roles.denies(role, DECRYPT, found.arn, context)
        else:
            is_allowed = self._roles.allows(role, DECRYPT, found.arn, context)
        if not is_allowed:
            raise LookupError(f"AccessDeniedException: {role} may not perform {DECRYPT} on {found.arn}")

    def _asked(self, region: str, request: Mapping[str, Any], timeout: float | None) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection(self._address, timeout=timeout)
        try:
            connection.request("POST", "/", json.dumps(request).encode(), _headers(region))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (HTTPException, ValueError) as error:
            raise OSError(f"no response from Parameter Store: {error}") from None
        finally:
            connection.close()


def _key(region: str, parameter: Mapping[str, Any]) -> str:
    """The key of the version that was read."""
    versions = ssm_backends[accounts.current()][region]._parameters.get(canonical(_bare(str(parameter["ARN"])))) or []
    return next((str(item.keyid) for item in versions if item.version == parameter["Version"]), AWS_KEY)


def _headers(region: str) -> dict[str, str]:
    # The lab checks only the scope of a signature.
    scope = f"Credential=lab/20270101/{region}/ssm/aws4_request"
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonSSM.GetParameter",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=lab",
    }


def _bare(name: str) -> str:
    """The name without the ARN prefix and the selector."""
    path = name.partition(":parameter")[2] if name.startswith("arn:") else name
    return path.partition(":")[0]

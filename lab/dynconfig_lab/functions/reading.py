"""How extensions read Parameter Store: in the name of the function's role, one client for each region and timeout."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.aws.roles import Roles

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

# botocore takes no "never" for an answer.
_FOR_EVER = 3600.0


class Readers:
    """Clients of the lab's own Parameter Store; safe for threads."""

    def __init__(self, endpoint: str, roles: Roles) -> None:
        self._endpoint = endpoint
        self._roles = roles
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, float], SSMClient] = {}

    def get(self, region: str, role: str, name: str, decrypt: bool, timeout: float | None) -> Mapping[str, Any]:
        """SSM's Parameter. Raises OSError, where another try may help, or LookupError."""
        path = name.partition(":parameter")[2] if name.startswith("arn:") else name
        bare = path.partition(":")[0]
        resource = f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/{bare.removeprefix('/')}"
        if not self._roles.allows(role, "ssm:GetParameter", resource):
            raise LookupError(f"AccessDeniedException: {role} may not perform ssm:GetParameter on {resource}")
        try:
            answer = self._client(region, timeout).get_parameter(Name=name, WithDecryption=decrypt)
        except ClientError as error:
            if error.response["ResponseMetadata"].get("HTTPStatusCode", 500) >= 500:
                raise OSError(str(error)) from None
            raise LookupError(str(error)) from None
        except BotoCoreError as error:
            raise OSError(str(error)) from None
        return dict(answer["Parameter"])

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, region: str, timeout: float | None) -> "SSMClient":
        seconds = timeout or _FOR_EVER
        with self._lock:
            if (region, seconds) not in self._clients:
                self._clients[region, seconds] = self._made(region, seconds)
            return self._clients[region, seconds]

    def _made(self, region: str, seconds: float) -> "SSMClient":
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            proxies={},
            read_timeout=seconds,
            connect_timeout=seconds,
            max_pool_connections=32,
        )
        return boto3.client(
            "ssm",
            region_name=region,
            endpoint_url=self._endpoint,
            aws_access_key_id="lab",
            aws_secret_access_key="lab",  # noqa: S106 - the emulator takes any
            config=config,
        )

"""Clients of the emulated AWS without retries and proxies."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config


def connect(endpoint: str, service: str, credentials: dict[str, str] | None = None, **more: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1}, proxies={}, **more)
    return _session().client(service, endpoint_url=endpoint, config=config, **(credentials or {}))


@cache
def _session() -> Any:
    # The session loads the service models once, which is slow.
    return boto3.Session(aws_access_key_id="lab", aws_secret_access_key="lab", region_name="eu-west-1")

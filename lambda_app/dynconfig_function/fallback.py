"""Read from Parameter Store, ten names per call: if the extension fails, or its cache is known to be stale."""

from __future__ import annotations

import logging
import os

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from dynconfig_function.parameter import Fault, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ssm import SSMClient

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
_BATCH = 10
# In seconds. One attempt with the short timeout, two otherwise.
_SHORT = Config(connect_timeout=0.4, read_timeout=0.6, retries={"mode": "standard", "total_max_attempts": 1})
_LONG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
_MISSING = Fault("does not exist", is_transient=False)
_TRANSIENT = {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "InternalServerError"}


class Fallback:
    """Reads with GetParameters; timeouts are short because an invocation waits."""

    def __init__(self, ssm: SSMClient | None = None) -> None:
        # At level DEBUG botocore logs whole responses, including decrypted values.
        botocore = logging.getLogger("botocore")
        botocore.setLevel(max(botocore.level, logging.INFO))
        self._clients = {True: ssm, False: ssm} if ssm else {}

    def read(
        self, names: Sequence[str], *, short_timeout: bool = False
    ) -> tuple[dict[str, Parameter], dict[str, Fault]]:
        """Return the parameters with these full names, and a fault for each missing one."""
        found: dict[str, Parameter] = {}
        faults: dict[str, Fault] = {}
        waiting = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
        refused_in_a_row = 0
        while waiting:
            batch = waiting.pop(0)
            more, error = self._batch(batch, short_timeout=short_timeout)
            fault = _fault(error) if error else _MISSING
            found |= more
            if fault.is_transient:
                # AWS is unavailable or throttles: more calls would only delay the invocation.
                return found, faults | {name: fault for names in [batch, *waiting] for name in names}
            if isinstance(error, ClientError) and len(batch) > 1 and refused_in_a_row < _BATCH:
                # One denied name fails the whole call, so retry one by one, unless as many single calls failed in a row.
                waiting[:0] = [[name] for name in batch]
                continue
            refused_in_a_row = refused_in_a_row + 1 if error else 0
            faults |= {name: fault for name in batch if name not in more}
        return found, faults

    def _batch(
        self, names: Sequence[str], *, short_timeout: bool
    ) -> tuple[dict[str, Parameter], BotoCoreError | ClientError | None]:
        try:
            answer = self._ssm(short_timeout=short_timeout).get_parameters(Names=names, WithDecryption=True)
        except (BotoCoreError, ClientError) as error:
            return {}, error
        found = answer["Parameters"]
        return {each["Name"]: Parameter(each["Type"], each["Value"], each["Version"]) for each in found}, None

    def _ssm(self, *, short_timeout: bool) -> SSMClient:
        # Created at the first read, so that a missing region, for example, is reported like any other fault.
        if short_timeout not in self._clients:
            config = _SHORT if short_timeout else _LONG
            self._clients[short_timeout] = boto3.client("ssm", region_name=os.environ.get("AWS_REGION"), config=config)
        return self._clients[short_timeout]


def _fault(error: BotoCoreError | ClientError) -> Fault:
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return Fault(f"could not be read: {code}", is_transient=code in _TRANSIENT or status >= 500)
    is_transient = isinstance(error, (HTTPClientError, BotoConnectionError))
    return Fault(f"could not be read: {type(error).__name__}", is_transient=is_transient)

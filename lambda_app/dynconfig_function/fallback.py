"""Asks Parameter Store itself, ten names a call: when the extension fails, or when its memory is known to be old."""

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
_PASSING = {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "InternalServerError"}


class Fallback:
    """Reads by GetParameters; short timeouts, as an invocation waits."""

    def __init__(self, ssm: SSMClient | None = None) -> None:
        # At DEBUG botocore logs answers whole, decrypted values among them.
        botocore = logging.getLogger("botocore")
        botocore.setLevel(max(botocore.level, logging.INFO))
        self._ssm = ssm or boto3.client(
            "ssm",
            region_name=os.environ.get("AWS_REGION"),
            config=Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}),
        )

    def read(self, names: Sequence[str]) -> tuple[dict[str, Parameter], dict[str, Fault]]:
        """The parameters of these full names, and a fault for each that is not among them."""
        found: dict[str, Parameter] = {}
        faults: dict[str, Fault] = {}
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            try:
                found |= self._batch(batch)
            except (BotoCoreError, ClientError) as error:
                fault = _fault(error)
                if fault.is_passing:
                    # AWS is away or throttles: to ask for the rest would only make the invocation wait longer.
                    return found, faults | dict.fromkeys(names[start:], fault)
                faults |= dict.fromkeys(batch, fault)
            else:
                missing = Fault("does not exist", is_passing=False)
                faults |= {name: missing for name in batch if name not in found}
        return found, faults

    def _batch(self, names: Sequence[str]) -> dict[str, Parameter]:
        answer = self._ssm.get_parameters(Names=names, WithDecryption=True)
        return {
            parameter["Name"]: Parameter(parameter["Type"], parameter["Value"], parameter["Version"])
            for parameter in answer["Parameters"]
        }


def _fault(error: BotoCoreError | ClientError) -> Fault:
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return Fault(f"could not be read: {code}", is_passing=code in _PASSING or status >= 500)
    is_passing = isinstance(error, (HTTPClientError, BotoConnectionError))
    return Fault(f"could not be read: {type(error).__name__}", is_passing=is_passing)

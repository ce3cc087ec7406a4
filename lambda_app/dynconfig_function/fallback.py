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
# In seconds. One try in a hurry, and another where nothing else is left.
_HURRIED = Config(connect_timeout=0.4, read_timeout=0.6, retries={"mode": "standard", "total_max_attempts": 1})
_PATIENT = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
_MISSING = Fault("does not exist", is_passing=False)
_PASSING = {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "InternalServerError"}


class Fallback:
    """Reads by GetParameters; short timeouts, as an invocation waits."""

    def __init__(self, ssm: SSMClient | None = None) -> None:
        # At DEBUG botocore logs answers whole, decrypted values among them.
        botocore = logging.getLogger("botocore")
        botocore.setLevel(max(botocore.level, logging.INFO))
        self._made = {True: ssm, False: ssm} if ssm else {}

    def read(self, names: Sequence[str], *, is_hurried: bool = False) -> tuple[dict[str, Parameter], dict[str, Fault]]:
        """The parameters of these full names, and a fault for each that is not among them."""
        found: dict[str, Parameter] = {}
        faults: dict[str, Fault] = {}
        waiting = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
        refused_in_a_row = 0
        while waiting:
            batch = waiting.pop(0)
            more, error = self._batch(batch, is_hurried=is_hurried)
            fault = _fault(error) if error else _MISSING
            found |= more
            if fault.is_passing:
                # AWS is away or throttles: to ask for the rest would only make the invocation wait longer.
                return found, faults | {name: fault for names in [batch, *waiting] for name in names}
            if isinstance(error, ClientError) and len(batch) > 1 and refused_in_a_row < _BATCH:
                # A call is refused whole for one of its names. Once as many were refused one by one, it is for all.
                waiting[:0] = [[name] for name in batch]
                continue
            refused_in_a_row = refused_in_a_row + 1 if error else 0
            faults |= {name: fault for name in batch if name not in more}
        return found, faults

    def _batch(
        self, names: Sequence[str], *, is_hurried: bool
    ) -> tuple[dict[str, Parameter], BotoCoreError | ClientError | None]:
        try:
            answer = self._ssm(is_hurried=is_hurried).get_parameters(Names=names, WithDecryption=True)
        except (BotoCoreError, ClientError) as error:
            return {}, error
        found = answer["Parameters"]
        return {each["Name"]: Parameter(each["Type"], each["Value"], each["Version"]) for each in found}, None

    def _ssm(self, *, is_hurried: bool) -> SSMClient:
        # Made at the first read, so that a wrong environment, one without a region for example, is a fault like any.
        if is_hurried not in self._made:
            config = _HURRIED if is_hurried else _PATIENT
            self._made[is_hurried] = boto3.client("ssm", region_name=os.environ.get("AWS_REGION"), config=config)
        return self._made[is_hurried]


def _fault(error: BotoCoreError | ClientError) -> Fault:
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return Fault(f"could not be read: {code}", is_passing=code in _PASSING or status >= 500)
    is_passing = isinstance(error, (HTTPClientError, BotoConnectionError))
    return Fault(f"could not be read: {type(error).__name__}", is_passing=is_passing)

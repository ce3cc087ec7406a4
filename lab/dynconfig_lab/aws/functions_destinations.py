"""The destinations of asynchronous invocations: validated when set, used after the invocation.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import re
from collections.abc import Mapping
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.functions_names import named
from dynconfig_lab.aws.functions_rules import refused

_ARN = re.compile(
    r"arn:aws[a-z-]*:(?P<service>sqs|sns|lambda|events|s3):(?P<region>[a-z0-9-]*):(?P<account>\d{12}):(?P<rest>.+)"
)
ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}


def check_destinations(document: Mapping[str, Any], region: str, function: str) -> None:
    """Validate a configuration: it is not empty, and its destinations exist and are not the function itself.

    Recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json, TestLambdaEventInvokeConfig.
    """
    fields = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    if not any(document.get(name) is not None for name in fields):
        raise refused("You must specify at least one of error handling or destination setting.")
    for outcome in ("OnSuccess", "OnFailure"):
        arn = document.get("DestinationConfig", {}).get(outcome, {}).get("Destination", "")
        if arn and not _exists(arn, region):
            raise refused(f"The destination ARN {arn} is invalid.")
        if arn.startswith("arn:") and arn.split(":")[2] == "lambda" and named(arn, region).name == function:
            raise refused("You can't specify the function as a destination for itself.")


def service_of(arn: str) -> str:
    """The service of a destination."""
    return arn.split(":")[2]


def _exists(arn: str, region: str) -> bool:
    # That a destination in another account or region is reported as missing is unproved.
    found = _ARN.fullmatch(arn)
    if found is None or found["account"] != accounts.current() or found["region"] != region:
        return False
    present: Mapping[str, Any] = {
        "sqs": lambda: sqs_backends[accounts.current()][region].queues,
        "sns": lambda: {topic.split(":")[-1]: topic for topic in sns_backends[accounts.current()][region].topics},
        "lambda": lambda: {
            f"function:{name}": name for name in lambda_backends[accounts.current()][region]._lambdas._functions
        },
    }
    # A version or an alias exists if its function does.
    rest = ":".join(found["rest"].split(":")[:2]) if found["service"] == "lambda" else found["rest"]
    return found["service"] not in present or rest in present[found["service"]]()

"""The facts of the function kind."""

from collections.abc import Iterator

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.kinds.function.functions import Functions
from dynconfig.kinds.function.value import Function
from dynconfig.model import errors
from dynconfig.model.allowed import NAMED, NEW, OWN, Allowed, Grant
from dynconfig.model.arns import Arns
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.naming import Names


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.function(name) for name in allowed.functions]


def _read(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.function(name) for name in allowed.all_functions]


def _names(spec: DynamicConfigSpec, names: Names) -> Iterator[tuple[str, str]]:
    if spec.function and not spec.function.name:
        yield "spec.function.name", names.function


FACTS = Facts(
    kind=Function.kind,
    service="lambda",
    noun="function",
    named_by=("FunctionName",),
    event_source=EventSource("lambda"),
    grants=(
        # GetFunction answers the tags, and with them the owner, only to who may list them.
        # https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
        Grant(statement=NAMED, rank=1, actions=("lambda:GetFunction", "lambda:ListTags"), resources=_read),
        Grant(statement=NEW, rank=1, actions=("lambda:CreateFunction", "lambda:TagResource"), resources=_arns),
        Grant(
            statement=OWN,
            rank=1,
            actions=(
                "lambda:DeleteFunction",
                "lambda:TagResource",
                "lambda:UntagResource",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
            ),
            resources=_arns,
        ),
    ),
    errors={
        "ServiceException": errors.Unavailable,
        "ResourceConflictException": errors.Conflict,
        "PreconditionFailedException": errors.Conflict,
        "CodeStorageExceededException": errors.QuotaExceeded,
        "FunctionVersionsPerCapacityProviderLimitExceededException": errors.QuotaExceeded,
        "RequestEntityTooLargeException": errors.Refused,
        "CodeVerificationFailedException": errors.Refused,
        "InvalidCodeSignatureException": errors.Refused,
        "CodeSigningConfigNotFoundException": errors.Refused,
    },
    quotas=(
        # These cannot be raised.
        # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        Group("lambda.Get", ("lambda.GetFunction",), 100.0),
        Group(
            "lambda.Control",
            (
                "lambda.CreateFunction",
                "lambda.DeleteFunction",
                "lambda.TagResource",
                "lambda.UntagResource",
                "lambda.UpdateFunctionCode",
                "lambda.UpdateFunctionConfiguration",
            ),
            15.0,
        ),
    ),
    indexed_as="lambda:function",
    default_names=_names,
)

build = Functions

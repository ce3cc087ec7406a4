"""The facts of the parameter kind."""

from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model import errors
from dynconfig.model.allowed import METADATA, Allowed, Conditions, Grant, Part, Statement
from dynconfig.model.arns import Arns
from dynconfig.model.facts import EventSource, Facts, Group


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.parameters(path.rstrip("/")) for path in allowed.paths]


def _through_ssm(allowed: Allowed, arns: Arns) -> Conditions:
    return {
        "StringEquals": {"kms:ViaService": arns.via("ssm")},
        "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": _arns(allowed, arns)},
    }


def _with_alias(allowed: Allowed, arns: Arns) -> Conditions:
    aliases = [alias.rpartition(":")[2] for alias in _keys(allowed, is_alias=True)]
    return {**_through_ssm(allowed, arns), "ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}


def _keys(allowed: Allowed, *, is_alias: bool) -> list[str]:
    return [key for key in allowed.keys if (":alias/" in key) is is_alias] if allowed.paths else []


def _keys_with_alias(allowed: Allowed, _arns: Arns) -> list[str]:
    places = (alias.partition(":alias/")[0] for alias in _keys(allowed, is_alias=True))
    return [f"{place}:key/*" for place in dict.fromkeys(places)]


_USE = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")

FACTS = Facts(
    kind=Parameter.kind,
    service="ssm",
    noun="parameter",
    named_by=("Name", "ResourceId"),
    # Parameter Store reports changes of values by its own events, and those of tags by no other.
    event_source=EventSource("ssm", ("AddTagsToResource", "RemoveTagsFromResource")),
    grants=(
        Grant(
            statement=Statement(sid="Parameters", part=Part.PARAMETERS, rank=0),
            actions=(
                "ssm:AddTagsToResource",
                "ssm:DeleteParameters",
                "ssm:GetParameter",
                "ssm:GetParameterHistory",
                "ssm:GetParameters",
                "ssm:LabelParameterVersion",
                "ssm:ListTagsForResource",
                "ssm:PutParameter",
                "ssm:RemoveTagsFromResource",
                "ssm:UnlabelParameterVersion",
            ),
            resources=_arns,
        ),
        # SSM looks for the image of a parameter of data type aws:ec2:image in the writer's name.
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
        Grant(
            statement=METADATA,
            rank=0,
            actions=("ec2:DescribeImages", "ssm:DescribeParameters"),
            resources=lambda allowed, _arns: "*" if allowed.paths else "",
        ),
        # Standard parameters are encrypted directly, advanced ones with a data key; with the key through SSM only.
        # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
        Grant(
            statement=Statement(sid="Keys", part=Part.PARAMETERS, conditions=_through_ssm, rank=2),
            actions=_USE,
            resources=lambda allowed, _arns: _keys(allowed, is_alias=False),
        ),
        # An alias as the resource allows nothing; as a condition it allows the key that it belongs to.
        # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
        Grant(
            statement=Statement(sid="KeyAliases", part=Part.PARAMETERS, conditions=_with_alias, rank=2),
            actions=_USE,
            resources=_keys_with_alias,
        ),
    ),
    errors={
        "TooManyUpdates": errors.Conflict,
        "ParameterAlreadyExists": errors.AlreadyExists,
        "ParameterNotFound": errors.NotFound,
        "InvalidResourceId": errors.NotFound,
        "ParameterVersionNotFound": errors.Conflict,
        "ParameterMaxVersionLimitExceeded": errors.VersionLimit,
        "ParameterVersionLabelLimitExceeded": errors.LabelLimit,
        "ParameterLimitExceeded": errors.QuotaExceeded,
        "TooManyTagsError": errors.QuotaExceeded,
        "HierarchyTypeMismatchException": errors.NotPossible,
        "HierarchyLevelLimitExceededException": errors.Refused,
        "InvalidKeyId": errors.Refused,
        "InvalidResourceType": errors.Refused,
        "InvalidFilterKey": errors.Refused,
        "InvalidFilterOption": errors.Refused,
        "InvalidFilterValue": errors.Refused,
        "InvalidAllowedPatternException": errors.Refused,
        "ParameterPatternMismatchException": errors.Refused,
        "UnsupportedParameterType": errors.Refused,
        "PoliciesLimitExceededException": errors.Refused,
        "InvalidPolicyTypeException": errors.Refused,
        "InvalidPolicyAttributeException": errors.Refused,
        "IncompatiblePolicyException": errors.Refused,
    },
    quotas=(
        # Per account and region, for all callers; AWS publishes no table, these are the lowest values that users report.
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-throughput.html
        Group("ssm.Put", ("ssm.PutParameter",), 3.0),
        Group("ssm.Delete", ("ssm.DeleteParameters", "ssm.DeleteParameter"), 5.0),
        Group(
            "ssm.Get",
            ("ssm.GetParameters", "ssm.GetParameter", "ssm.GetParametersByPath", "ssm.GetParameterHistory"),
            30.0,
        ),
        Group("ssm.Describe", ("ssm.DescribeParameters",), 3.0),
        Group(
            "ssm.Tag",
            (
                "ssm.AddTagsToResource",
                "ssm.RemoveTagsFromResource",
                "ssm.ListTagsForResource",
                "ssm.LabelParameterVersion",
                "ssm.UnlabelParameterVersion",
            ),
            10.0,
        ),
    ),
    indexed_as="ssm:parameter",
)

build = Parameters

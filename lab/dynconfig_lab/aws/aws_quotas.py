"""The request rates that AWS has without an increase, per account and region."""

from dataclasses import dataclass

from dynconfig_lab.aws.calls import Call


@dataclass(frozen=True)
class QuotaGroup:
    """Operations that share one rate."""

    name: str
    per_second: float
    operations: tuple[str, ...]

    def has(self, call: Call) -> bool:
        """Whether a call counts in this group."""
        return call.operation in self.operations and self.name.partition(".")[0] == call.service


_CONTROL_PLANE_READS = ("GetFunction", "GetPolicy", "Invoke")

GROUPS = (
    # AWS publishes no table. 3 for PutParameter is from AWS Support, 5 for DeleteParameter and 40 for reads from users:
    # https://github.com/github-aws-runners/terraform-aws-github-runner/issues/2944
    # https://github.com/github-aws-runners/terraform-aws-github-runner/issues/5243
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-throughput.html
    QuotaGroup("ssm.Put", 3, ("PutParameter",)),
    QuotaGroup("ssm.Delete", 5, ("DeleteParameter", "DeleteParameters")),
    QuotaGroup("ssm.Get", 40, ("GetParameter", "GetParameters", "GetParametersByPath")),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
    QuotaGroup("cloudwatch.Describe", 9, ("DescribeAlarms",)),
    QuotaGroup("cloudwatch.History", 3, ("DescribeAlarmHistory",)),
    QuotaGroup("cloudwatch.Put", 3, ("PutMetricAlarm", "PutCompositeAlarm")),
    QuotaGroup("cloudwatch.Delete", 3, ("DeleteAlarms",)),
    QuotaGroup("cloudwatch.GetDashboard", 10, ("GetDashboard",)),
    QuotaGroup("cloudwatch.Tag", 10, ("ListTagsForResource", "TagResource", "UntagResource")),
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    QuotaGroup("lambda.GetFunction", 100, ("GetFunction",)),
    QuotaGroup("lambda.GetPolicy", 15, ("GetPolicy",)),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    QuotaGroup("logs.Create", 10, ("CreateLogGroup",)),
    QuotaGroup("logs.Delete", 10, ("DeleteLogGroup",)),
    QuotaGroup("logs.Describe", 10, ("DescribeLogGroups",)),
    # https://docs.aws.amazon.com/general/latest/gr/sns.html
    QuotaGroup("sns.Control", 30, ("CreateTopic", "DeleteTopic", "GetTopicAttributes", "SetTopicAttributes")),
    # https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html
    QuotaGroup("sns.Tag", 10, ("ListTagsForResource", "TagResource", "UntagResource")),
)
# "Rest of the control plane API requests": https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LAMBDA = QuotaGroup("lambda.Control", 15, ())
# For all calls of an account: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
_API_GATEWAY = QuotaGroup("apigatewayv2", 10, ())


def group_of(call: Call) -> QuotaGroup | None:
    """The group of a call; None if no rate is known."""
    if call.service == "apigatewayv2":
        return _API_GATEWAY
    found = next((group for group in GROUPS if group.has(call)), None)
    if found is None and call.service == "lambda" and call.operation not in _CONTROL_PLANE_READS:
        return _LAMBDA
    return found

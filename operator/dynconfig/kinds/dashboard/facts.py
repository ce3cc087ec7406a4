"""The facts of the dashboard kind."""

from collections.abc import Iterator

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.kinds.dashboard.dashboards import Dashboard, Dashboards
from dynconfig.model import errors
from dynconfig.model.allowed import NAMED_LIKE_OURS, Grant
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.naming import PREFIX, Names


def _names(spec: DynamicConfigSpec, names: Names) -> Iterator[tuple[str, str]]:
    if spec.dashboard:
        yield "spec.dashboard", names.dashboard


FACTS = Facts(
    kind=Dashboard.kind,
    service="cloudwatch",
    noun="dashboard",
    named_by=("DashboardName",),
    event_source=EventSource("monitoring"),
    grants=(
        # Dashboards have no tags, so they are limited by their names only.
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
        Grant(
            statement=NAMED_LIKE_OURS,
            rank=3,
            actions=("cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"),
            resources=lambda allowed, arns: [arns.dashboard(f"{PREFIX}*")] if allowed.dashboards else [],
        ),
    ),
    errors={
        "DashboardNotFoundError": errors.NotFound,
        "ResourceNotFound": errors.NotFound,
        "DashboardInvalidInputError": errors.Refused,
        "InvalidParameterInput": errors.Refused,
        "InternalServiceFault": errors.Unavailable,
    },
    quotas=(
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
        Group("cloudwatch.Dashboard", ("cloudwatch.GetDashboard",), 10.0),
    ),
    default_names=_names,
)

build = Dashboards

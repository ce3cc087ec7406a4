"""The ARNs of an object's resources, computed from names, account and region without an API call.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Callable

from dynconfig.model.naming import ROLE_PATH

# Region prefix, partition, domain, and domain of the dual-stack endpoints.
# https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"),
    ("us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "aws", "amazonaws.com", "api.aws"),
)
DOMAINS = tuple(sorted({domain for _region, _partition, *domains in _PARTITIONS for domain in domains}))
"""The domains of AWS endpoints in all partitions."""


class Arns:
    """ARNs in one account and region. The account ID is looked up on first use."""

    def __init__(self, region: str, account: Callable[[], str]) -> None:
        self.region = region
        self._account = account

    @property
    def account(self) -> str:
        """The 12-digit account ID."""
        return self._account()

    @property
    def partition(self) -> str:
        """The partition, such as aws or aws-cn."""
        return partition(self.region)

    def via(self, service: str) -> str | list[str]:
        """Return a service in the format of kms:ViaService, also with the domain of the partition if it has its own.

        The value is compared literally, so it contains the region and no wildcard.
        https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
        """
        domains = dict.fromkeys(("amazonaws.com", _partition(self.region)[2]))
        names = [f"{service}.{self.region}.{domain}" for domain in domains]
        return names if len(names) > 1 else names[0]

    def parameters(self, path: str) -> str:
        """All parameters below a path."""
        return self.of("ssm", f"parameter{path}/*")

    def keys(self) -> str:
        """All KMS keys."""
        return self.of("kms", "key/*")

    def role(self, name: str, path: str = ROLE_PATH) -> str:
        """A role below an IAM path, by default that of the operator's own roles. IAM is global."""
        return f"arn:{self.partition}:iam::{self.account}:role{path}{name}"

    def function(self, name: str) -> str:
        """A function."""
        return self.of("lambda", f"function:{name}")

    def log_group(self, name: str) -> str:
        """A log group."""
        return self.of("logs", f"log-group:{name}")

    def queue(self, name: str) -> str:
        """An SQS queue."""
        return self.of("sqs", name)

    def rule(self, name: str) -> str:
        """A rule on the default bus."""
        return self.of("events", f"rule/{name}")

    def schedule(self, name: str) -> str:
        """A schedule in the default group."""
        return self.of("scheduler", f"schedule/default/{name}")

    def alarm(self, name: str) -> str:
        """An alarm, metric or composite."""
        return self.of("cloudwatch", f"alarm:{name}")

    def dashboard(self, name: str) -> str:
        """A dashboard. Dashboards are global."""
        return f"arn:{self.partition}:cloudwatch::{self.account}:dashboard/{name}"

    def http_api(self, api_id: str) -> str:
        """An HTTP API, in the format of tags and policies."""
        return f"arn:{self.partition}:apigateway:{self.region}::/apis/{api_id}"

    def http_apis(self) -> str:
        """All HTTP APIs; their sub-resources follow after a slash."""
        return f"arn:{self.partition}:apigateway:{self.region}::/apis"

    def http_tags(self) -> str:
        """The tags of all HTTP APIs. The path has the encoded ARN of the API, with or without a version."""
        return f"arn:{self.partition}:apigateway:{self.region}::/tags/*%2Fapis%2F*"

    def new_http_tags(self) -> str:
        """The tags of an HTTP API during its creation: some access denied errors name a nested ARN.

        https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/997
        """
        return f"arn:{self.partition}:apigateway:{self.region}::arn:*::/tags/*"

    def http_calls(self, api_id: str) -> str:
        """All requests to an HTTP API, in the format of a function's permission."""
        return self.of("execute-api", f"{api_id}/*/*")

    def of(self, service: str, rest: str) -> str:
        """A resource of a service in this region, by the rest of its ARN. Kinds use it for formats that only they need."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def partition(region: str) -> str:
    """Return the partition of a region."""
    return _partition(region)[1]


def _partition(region: str) -> tuple[str, str, str, str]:
    return next(row for row in _PARTITIONS if region.startswith(row[0]))

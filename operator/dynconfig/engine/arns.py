"""The ARNs of what an object makes: they follow from names, account and region, so that nothing has to be asked for them.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Callable

from dynconfig.engine.naming import ROLE_PATH

# What regions begin with, their partition, its domain, and the domain of its dual-stack endpoints.
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
"""Where AWS itself answers, in all partitions."""


class Arns:
    """ARNs in one account and region; the account is asked for when the first of them is needed."""

    def __init__(self, region: str, account: Callable[[], str]) -> None:
        self.region = region
        self._account = account

    @property
    def account(self) -> str:
        """The account's twelve digits."""
        return self._account()

    @property
    def partition(self) -> str:
        """The partition, such as aws or aws-cn."""
        return partition(self.region)

    def via(self, service: str) -> str | list[str]:
        """A service as kms:ViaService names it, under the domain of the partition as well where it has its own.

        The value is compared literally: the region is named, and there is no wildcard in it.
        https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
        """
        domains = dict.fromkeys(("amazonaws.com", _partition(self.region)[2]))
        names = [f"{service}.{self.region}.{domain}" for domain in domains]
        return names if len(names) > 1 else names[0]

    def parameters(self, path: str) -> str:
        """All parameters below a path."""
        return self._of("ssm", f"parameter{path}/*")

    def keys(self) -> str:
        """All KMS keys."""
        return self._of("kms", "key/*")

    def role(self, name: str, path: str = ROLE_PATH) -> str:
        """A role below a path, that of the operator's own roles if none is given; IAM knows no regions."""
        return f"arn:{self.partition}:iam::{self.account}:role{path}{name}"

    def function(self, name: str) -> str:
        """A function."""
        return self._of("lambda", f"function:{name}")

    def log_group(self, name: str) -> str:
        """A log group."""
        return self._of("logs", f"log-group:{name}")

    def queue(self, name: str) -> str:
        """An SQS queue."""
        return self._of("sqs", name)

    def rule(self, name: str) -> str:
        """A rule on the default bus."""
        return self._of("events", f"rule/{name}")

    def schedule(self, name: str) -> str:
        """A schedule in the default group."""
        return self._of("scheduler", f"schedule/default/{name}")

    def alarm(self, name: str) -> str:
        """An alarm, metric or composite."""
        return self._of("cloudwatch", f"alarm:{name}")

    def dashboard(self, name: str) -> str:
        """A dashboard; all regions share them."""
        return f"arn:{self.partition}:cloudwatch::{self.account}:dashboard/{name}"

    def http_api(self, api_id: str) -> str:
        """An HTTP API, as tags and policies name it."""
        return f"arn:{self.partition}:apigateway:{self.region}::/apis/{api_id}"

    def http_apis(self) -> str:
        """All HTTP APIs; what is below them follows after a slash."""
        return f"arn:{self.partition}:apigateway:{self.region}::/apis"

    def http_tags(self) -> str:
        """The tags of all HTTP APIs: the ARN of one, with or without its version, is in the path, encoded."""
        return f"arn:{self.partition}:apigateway:{self.region}::/tags/*%2Fapis%2F*"

    def new_http_tags(self) -> str:
        """The tags of an HTTP API that is being created, as some denials have named them: in an ARN within the ARN.

        https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/997
        """
        return f"arn:{self.partition}:apigateway:{self.region}::arn:*::/tags/*"

    def http_calls(self, api_id: str) -> str:
        """All calls of an HTTP API, as a function's permission names them."""
        return self._of("execute-api", f"{api_id}/*/*")

    def _of(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def partition(region: str) -> str:
    """The partition that a region belongs to."""
    return _partition(region)[1]


def _partition(region: str) -> tuple[str, str, str, str]:
    return next(row for row in _PARTITIONS if region.startswith(row[0]))

"""The settings of the operator, parsed from environment variables."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from dynconfig.api.spec import TARGET_NAME
from dynconfig.api.tags import MAX_KEY, MAX_TAGS_TOGETHER, MAX_VALUE, OWN_TAG_PREFIX, is_legal, is_reserved
from dynconfig.model.arns import DOMAINS
from dynconfig.validation.tenancy import NOWHERE

MOST_SHARDS = 64
POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/\S+"


class BadSetting(ValueError):
    """Environment variables are invalid; each fault is one line with the name of a variable and what is expected."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Tenancy(StrEnum):
    """Whether the namespaces of a cluster trust each other."""

    SHARED = "shared"
    """Namespaces do not trust each other: each may use what the policy grants it."""
    SINGLE = "single"
    """Namespaces belong to one team: each may use everything that the operator may."""


def _invalid(value: object, expected: str) -> ValueError:
    return ValueError(f"invalid value {value!r}, expected {expected}")


def _match(pattern: str, expected: str) -> AfterValidator:
    def checked(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise _invalid(text, expected)
        return text

    return AfterValidator(checked)


def _entries(text: str, separator: str, expected: str) -> list[str]:
    """Return the entries of a list. A list without any must not count as unset: several settings then restrict nothing."""
    found = [part.strip() for part in text.split(separator) if part.strip()]
    if not found:
        raise _invalid(text, f"{expected}, or unset")
    return found


def _listed(text: object) -> object:
    return tuple(_entries(text, ",", "a comma-separated list")) if isinstance(text, str) else text


def _ignored_tags(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    for prefix in prefixes:
        if prefix.lower().startswith(OWN_TAG_PREFIX) or OWN_TAG_PREFIX.startswith(prefix.lower()):
            raise ValueError(
                f"invalid value {prefix!r}, it matches tags of the operator, which begin with {OWN_TAG_PREFIX}"
            )
    return prefixes


def _pairs(parse: Callable[[str], Mapping[str, Any]]) -> BeforeValidator:
    return BeforeValidator(lambda text: parse(text) if isinstance(text, str) else text)


def _allowed_paths(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for part in _entries(text, ";", "e.g. shop=/shop,/common"):
        namespace, _, listed = part.partition("=")
        paths = tuple(path.strip() for path in listed.split(",") if path.strip())
        if not paths or not all(path.startswith("/") for path in paths):
            raise _invalid(part, "e.g. shop=/shop,/common; separate namespaces by ;")
        found[namespace.strip()] = paths
    return found


def _quota(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in _entries(text, ",", "e.g. ssm.Put=10 (calls per second)"):
        operation, _, rate = part.partition("=")
        try:
            found[operation.strip()] = float(rate)
        except ValueError:
            raise _invalid(part, "e.g. ssm.Put=10 (calls per second)") from None
        if not found[operation.strip()] > 0:
            raise ValueError(f"{part!r} must be above 0")
    return found


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _entries(text, ",", "e.g. CostCenter=4711,team=platform"):
        key, separator, value = (word.strip() for word in part.partition("="))
        if not separator or key in found:
            raise _invalid(part, "e.g. CostCenter=4711,team=platform with unique keys")
        if is_reserved(key) or not 1 <= len(key) <= MAX_KEY or len(value) > MAX_VALUE or not is_legal(key + value):
            raise ValueError(
                f"invalid tag {part!r}; a key has 1 to {MAX_KEY} characters and a value up to "
                f"{MAX_VALUE} (letters, digits, spaces, _ . : / = + @ -), and aws: and dynconfig.dev/ are reserved"
            )
        found[key] = value
    if len(found) > MAX_TAGS_TOGETHER:
        raise ValueError(f"{len(found)} tags; the limit is {MAX_TAGS_TOGETHER}, in addition to the operator's own")
    return found


def _queue(url: str) -> str:
    if urlsplit(url).scheme not in ("https", "http") or not urlsplit(url).path.strip("/"):
        raise _invalid(url, "e.g. https://sqs.eu-west-1.amazonaws.com/123456789012/queue")
    return url


def region_of(url: str) -> str:
    """Return the region in a queue URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/queue; empty if none."""
    host = (urlsplit(url).hostname or "").split(".")
    return host[1] if host[0] == "sqs" and len(host) > 2 else ""


def _is_emulator(endpoint: object) -> object:
    """Return whether the URL of an endpoint is outside of AWS."""
    if not isinstance(endpoint, str):
        return endpoint
    try:
        host = urlsplit(endpoint).hostname if endpoint.startswith(("http://", "https://")) else None
    except ValueError:
        host = None
    if not host:
        raise _invalid(endpoint, "e.g. http://127.0.0.1:4566")
    return not host.endswith(tuple(f".{domain}" for domain in DOMAINS))


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Lower = BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text)


class Settings(BaseModel):
    """All settings. The README lists the environment variables."""

    model_config = ConfigDict(
        frozen=True, validate_by_name=True, alias_generator=lambda name: f"DYNCONFIG_{name.upper()}"
    )

    region: Annotated[str, _match("[a-z0-9-]+", "e.g. eu-west-1")] | None = Field(
        None, validation_alias=AliasChoices("DYNCONFIG_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
    )
    default_target: Annotated[str, _match(TARGET_NAME, "the name of an AWSTarget")] = ""
    """The AWSTarget of objects without spec.target; empty for the operator's own identity."""
    allowed_regions: Listed = Field((), validation_alias="DYNCONFIG_REGIONS")
    """Regions allowed in spec.region; empty for all."""
    namespaces: Listed = ()
    """Namespaces to serve; empty for all."""
    allowed_paths: Annotated[Mapping[str, tuple[str, ...]], _pairs(_allowed_paths)] = Field(default_factory=dict)
    """Allowed paths by namespace (* for all others); empty if no list is set."""
    tenancy: Annotated[Tenancy, Lower] | None = Field(None, title="one of shared, single")
    """None if the variable is not set."""
    policy_file: str = Field("", validation_alias="DYNCONFIG_POLICY")
    """Path of the policy file, which grants namespaces of a shared cluster further access; empty for none."""
    # An owner tag has at most 256 characters, separated by slashes; namespace, name and UID take up to 165.
    cluster_id: (
        Annotated[
            str,
            _match(
                r"[a-zA-Z0-9_.:-]{1,63}",
                "1 to 63 letters, digits and _ . : - (for EKS, for example, the cluster name instead of its ARN)",
            ),
        ]
        | None
    ) = None
    """Name of this cluster in owner tags, instead of the uid of kube-system."""
    workers: int = Field(32, ge=1, le=256, title="an integer from 1 to 256")
    """Maximum number of concurrent reconciles."""
    turn_seconds: int = Field(15, ge=1, le=600, title="an integer from 1 to 600")
    """How long, in seconds, one reconcile may write before it is requeued and its progress is reported in status; longer while no
    other object waits."""
    is_emulated: Annotated[bool, BeforeValidator(_is_emulator)] = Field(
        False, validation_alias=AliasChoices("AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL")
    )
    """Whether AWS is emulated, so that AWS quotas do not apply."""
    quota: Annotated[Mapping[str, float], _pairs(_quota)] = Field(default_factory=dict)
    """Calls per second by operation or group, overriding the built-in quotas."""
    ignored_tags: Annotated[Listed, AfterValidator(_ignored_tags)] = ()
    """Prefixes of tag keys that others manage on the resources."""
    tags: Annotated[Mapping[str, str], _pairs(_tags)] = Field(default_factory=dict)
    """Tags of the operator's own queues and rules; tags of an object's resources are in its spec."""
    boundary: Annotated[str, _match(POLICY_ARN, "the ARN of an IAM policy")] = ""
    """ARN of the permissions boundary of every role that the operator creates; empty for none."""
    shards: int = Field(1, ge=1, le=MOST_SHARDS, title=f"an integer from 1 to {MOST_SHARDS}")
    """Number of shards into which the objects are divided; each is served by one replica at a time."""
    lease_namespace: Annotated[str, _match("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a namespace")] = ""
    """Namespace of the leases; empty for the operator's own."""
    lease_seconds: int = Field(15, ge=5, le=300, title="an integer from 5 to 300")
    """How long other replicas wait, in seconds, after the last renewal of a lease."""
    lease_renew_seconds: int = Field(10, ge=3, le=299, title="an integer from 3 to 299")
    """How long a replica tries to renew a lease, in seconds, before it gives the shard up."""
    lease_retry_seconds: int = Field(2, ge=1, le=60, title="an integer from 1 to 60")
    """Seconds between two renewals of a lease."""
    pod_name: str = ""
    """Name of the pod: a restarted container resumes the leases of its pod. Empty outside of a pod."""
    events_enabled: bool = Field(True, validation_alias="DYNCONFIG_EVENTS", title="one of on, off")
    """Whether AWS events are received; otherwise drift is detected at the resync only."""
    queue_urls: Annotated[tuple[Annotated[str, AfterValidator(_queue)], ...], BeforeValidator(_listed)] = Field(
        (), validation_alias="DYNCONFIG_QUEUE_URL"
    )
    """URLs of existing event queues, one for each region and shard; empty if the operator creates its own."""
    metrics_port: int = Field(0, ge=0, le=65535, title="an integer from 0 to 65535")
    """Port of the Prometheus metrics; 0 to disable."""
    object_metrics: int = Field(10_000, ge=0, le=1_000_000, title="an integer from 0 to 1000000")
    """Maximum number of objects with a series of their own in dynconfig_config_ready; 0 to disable."""
    health_port: int = Field(0, ge=0, le=65535, title="an integer from 0 to 65535")
    """Port of /healthz; 0 to disable."""
    log_level: Annotated[
        Literal["INFO", "DEBUG", "WARNING", "ERROR"], BeforeValidator(lambda text: str(text).upper())
    ] = Field("INFO", title="one of INFO, DEBUG, WARNING, ERROR")
    log_format: Annotated[Literal["text", "json"], Lower] = Field("text", title="one of text, json")

    @model_validator(mode="after")
    def _has_different_ports(self) -> Self:
        if self.metrics_port and self.metrics_port == self.health_port:
            raise ValueError(
                f"DYNCONFIG_METRICS_PORT and DYNCONFIG_HEALTH_PORT are both {self.health_port}; set different ports"
            )
        return self

    @model_validator(mode="after")
    def _has_consistent_lease_times(self) -> Self:
        # The bounds of client-go: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection#NewLeaderElector
        if not self.lease_seconds > self.lease_renew_seconds > 1.2 * self.lease_retry_seconds:
            raise ValueError(
                "DYNCONFIG_LEASE_SECONDS must be above DYNCONFIG_LEASE_RENEW_SECONDS, which must be above 1.2 times "
                f"DYNCONFIG_LEASE_RETRY_SECONDS: {self.lease_seconds}, {self.lease_renew_seconds} and "
                f"{self.lease_retry_seconds} are not"
            )
        return self

    @model_validator(mode="after")
    def _has_queues_for_all_shards(self) -> Self:
        for region, urls in self.queues.items():
            if len(urls) != self.shards:
                raise ValueError(
                    f"DYNCONFIG_QUEUE_URL: {len(urls)} queues in {region or 'the default region'} for DYNCONFIG_SHARDS="
                    f"{self.shards}; give one queue of its own for each shard, in their order"
                )
        return self

    @property
    def queues(self) -> dict[str, tuple[str, ...]]:
        """The URLs of existing event queues by region, one for each shard; the region is empty if the URL names none."""
        found: dict[str, tuple[str, ...]] = {}
        for url in self.queue_urls:
            found[region_of(url)] = (*found.get(region_of(url), ()), url)
        return found

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Parse environment variables. Raises BadSetting."""
        own = {name: text for name, text in environment.items() if text and name.startswith(("DYNCONFIG_", "AWS_"))}
        try:
            return cls.model_validate(own)
        except ValidationError as error:
            raise BadSetting(*map(cls._message, error.errors(include_url=False))) from None

    @classmethod
    def _message(cls, error: ErrorDetails) -> str:
        variable = f"{error['loc'][0]}: " if error["loc"] else ""
        if error["type"] == "value_error":
            return f"{variable}{error['ctx']['error']}"
        expected = next(field.title for field in cls.model_fields.values() if field.validation_alias == error["loc"][0])
        return f"{variable}{_invalid(error['input'], str(expected))}"

    def paths_of(self, namespace: str) -> tuple[str, ...]:
        """Return the allowed paths of a namespace; NOWHERE if it has none; empty if no list is set."""
        if not self.allowed_paths:
            return ()
        # A namespace that is not listed may use no path.
        return self.allowed_paths.get(namespace) or self.allowed_paths.get("*") or NOWHERE

    @property
    def all_paths(self) -> tuple[str, ...]:
        """All paths that any namespace may use; empty if unknown, since a policy may grant more."""
        if self.policy_file:
            return ()
        return tuple(sorted({path for paths in self.allowed_paths.values() for path in paths}))

"""The settings of the operator, parsed from environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from dynconfig.api.tags import MAX_KEY, MAX_TAGS_TOGETHER, MAX_VALUE, is_legal, is_reserved
from dynconfig.model.arns import DOMAINS
from dynconfig.model.paths import NOWHERE

POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/\S+"


class BadSetting(ValueError):
    """An environment variable is invalid; the message names it and what is expected."""


class Tenancy(StrEnum):
    """Whether the namespaces of a cluster trust each other."""

    SHARED = "shared"
    """Namespaces do not trust each other: each may use what the policy grants it."""
    SINGLE = "single"
    """Namespaces belong to one team: each may use everything that the operator may."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. The README lists the environment variables."""

    region: str | None = None
    allowed_regions: tuple[str, ...] = ()
    """Regions allowed in spec.region; empty for all."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to serve; empty for all."""
    allowed_paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Allowed paths by namespace (* for all others); empty if no list is set."""
    tenancy: Tenancy | None = None
    """None if the variable is not set."""
    policy_file: str = ""
    """Path of the policy file, which grants namespaces of a shared cluster further access; empty for none."""
    cluster_id: str | None = None
    """Name of this cluster in owner tags, instead of the uid of kube-system."""
    workers: int = 32
    """Maximum number of concurrent reconciles."""
    turn_seconds: float = 15.0
    """How long, in seconds, one reconcile may write before it is requeued and its progress is reported in status."""
    is_emulated: bool = False
    """Whether AWS is emulated, so that AWS quotas do not apply."""
    quota: Mapping[str, float] = field(default_factory=dict)
    """Calls per second by operation or group, overriding the built-in quotas."""
    ignored_tags: tuple[str, ...] = ()
    """Prefixes of tag keys that others manage on the resources."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the operator's own queues and rules; tags of an object's resources are in its spec."""
    boundary: str = ""
    """ARN of the permissions boundary of every role that the operator creates; empty for none."""
    events_enabled: bool = True
    """Whether AWS events are received; otherwise drift is detected at the resync only."""
    queue_urls: tuple[str, ...] = ()
    """URLs of existing event queues, at most one per region; empty if the operator creates its own."""
    metrics_port: int = 0
    """Port of the Prometheus metrics; 0 to disable."""
    health_port: int = 0
    """Port of /healthz; 0 to disable."""
    log_level: str = "INFO"
    log_format: str = "text"

    def __post_init__(self) -> None:
        if self.metrics_port and self.metrics_port == self.health_port:
            raise BadSetting(
                f"DYNCONFIG_METRICS_PORT and DYNCONFIG_HEALTH_PORT are both {self.health_port}; set different ports"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Parse environment variables. Raises BadSetting."""
        own = {name.removeprefix("DYNCONFIG_"): text for name, text in environment.items() if text}
        return cls(
            region=_region(environment),
            allowed_regions=_listed(own.get("REGIONS", "")),
            namespaces=_listed(own.get("NAMESPACES", "")),
            allowed_paths=_allowed_paths(own.get("ALLOWED_PATHS", "")),
            tenancy=Tenancy(_choice(own, "TENANCY", tuple(Tenancy))) if own.get("TENANCY") else None,
            policy_file=own.get("POLICY", ""),
            cluster_id=_cluster_id(own.get("CLUSTER_ID")),
            workers=_number(own, "WORKERS", 32, 1, 256),
            turn_seconds=_number(own, "TURN_SECONDS", 15, 1, 600),
            is_emulated=_is_emulated(environment),
            quota=_quota(own.get("QUOTA", "")),
            ignored_tags=_listed(own.get("IGNORED_TAGS", "")),
            tags=_tags(own.get("TAGS", "")),
            boundary=_arn(own, "BOUNDARY"),
            events_enabled=_choice(own, "EVENTS", ("on", "off")) == "on",
            queue_urls=_urls(own.get("QUEUE_URL", "")),
            metrics_port=_number(own, "METRICS_PORT", 0, 0, 65535),
            health_port=_number(own, "HEALTH_PORT", 0, 0, 65535),
            log_level=_choice(own, "LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
            log_format=_choice(own, "LOG_FORMAT", ("text", "json")),
        )

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


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _cluster_id(text: str | None) -> str | None:
    # An owner tag has at most 256 characters, separated by slashes; namespace, name and UID take up to 165.
    if text is not None and not re.fullmatch(r"[a-zA-Z0-9_.:-]{1,63}", text):
        raise BadSetting(
            f"DYNCONFIG_CLUSTER_ID: invalid value {text!r}, expected 1 to 63 letters, digits and _ . : - (for EKS, for "
            "example, the cluster name instead of its ARN)"
        )
    return text


def _urls(text: str) -> tuple[str, ...]:
    for url in _listed(text):
        if urlsplit(url).scheme not in ("https", "http") or not urlsplit(url).path.strip("/"):
            raise BadSetting(
                f"DYNCONFIG_QUEUE_URL: invalid value {url!r}, expected e.g. https://sqs.eu-west-1.amazonaws.com/123456789012/queue"
            )
    return _listed(text)


def _allowed_paths(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for part in (part.strip() for part in text.split(";")):
        if not part:
            continue
        namespace, separator, paths = part.partition("=")
        if not separator or not _listed(paths) or not all(path.startswith("/") for path in _listed(paths)):
            raise BadSetting(
                f"DYNCONFIG_ALLOWED_PATHS: invalid value {part!r}, expected e.g. shop=/shop,/common; separate namespaces by ;"
            )
        found[namespace.strip()] = _listed(paths)
    return found


def _quota(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in _listed(text):
        operation, _, rate = part.partition("=")
        try:
            found[operation.strip()] = float(rate)
        except ValueError:
            raise BadSetting(
                f"DYNCONFIG_QUOTA: invalid value {part!r}, expected e.g. ssm.Put=10 (calls per second)"
            ) from None
        if found[operation.strip()] <= 0:
            raise BadSetting(f"DYNCONFIG_QUOTA: {part!r} must be above 0")
    return found


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _listed(text):
        key, separator, value = (word.strip() for word in part.partition("="))
        if not separator or key in found:
            raise BadSetting(
                f"DYNCONFIG_TAGS: invalid value {part!r}, expected e.g. CostCenter=4711,team=platform with unique keys"
            )
        if is_reserved(key) or not 1 <= len(key) <= MAX_KEY or len(value) > MAX_VALUE or not is_legal(key + value):
            raise BadSetting(
                f"DYNCONFIG_TAGS: invalid tag {part!r}; a key has 1 to {MAX_KEY} characters and a value up to "
                f"{MAX_VALUE} (letters, digits, spaces, _ . : / = + @ -), and aws: and dynconfig.dev/ are reserved"
            )
        found[key] = value
    if len(found) > MAX_TAGS_TOGETHER:
        raise BadSetting(
            f"DYNCONFIG_TAGS: {len(found)} tags; the limit is {MAX_TAGS_TOGETHER}, in addition to the operator's own"
        )
    return found


def _number(own: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = own.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise BadSetting(f"DYNCONFIG_{name}: invalid value {text!r}, expected an integer from {lowest} to {highest}")
    return int(text)


def _arn(own: Mapping[str, str], name: str) -> str:
    text = own.get(name, "")
    if text and not re.fullmatch(POLICY_ARN, text):
        raise BadSetting(f"DYNCONFIG_{name}: invalid value {text!r}, expected the ARN of an IAM policy")
    return text


def _choice(own: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = own.get(name, choices[0])
    found = next((choice for choice in choices if choice.lower() == text.lower()), None)
    if found is None:
        raise BadSetting(f"DYNCONFIG_{name}: invalid value {text!r}, expected one of {', '.join(choices)}")
    return found


def _region(environment: Mapping[str, str]) -> str | None:
    for name in ("DYNCONFIG_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        text = environment.get(name)
        if text and not re.fullmatch("[a-z0-9-]+", text):
            raise BadSetting(f"{name}: invalid value {text!r}, expected e.g. eu-west-1")
        if text:
            return text
    return None


def _is_emulated(environment: Mapping[str, str]) -> bool:
    for name in ("AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL"):
        if environment.get(name):
            return not _host(name, environment[name]).endswith(tuple(f".{domain}" for domain in DOMAINS))
    return False


def _host(name: str, url: str) -> str:
    try:
        found = urlsplit(url).hostname if url.startswith(("http://", "https://")) else None
    except ValueError:
        found = None
    if not found:
        raise BadSetting(f"{name}: invalid value {url!r}, expected e.g. http://127.0.0.1:4566")
    return found

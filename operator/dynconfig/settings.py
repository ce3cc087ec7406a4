"""The environment of the operator as one frozen object."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from dynconfig.api.tags import MAX_KEY, MAX_TAGS_TOGETHER, MAX_VALUE, is_legal, is_reserved
from dynconfig.engine.arns import DOMAINS
from dynconfig.engine.paths import NOWHERE

POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/\S+"


class BadSetting(ValueError):
    """An environment variable is wrong; the message names it and says what it should be."""


class Tenancy(StrEnum):
    """How far the namespaces of a cluster trust each other."""

    SHARED = "shared"
    """Not at all: each may use what is granted to it."""
    SINGLE = "single"
    """They belong to one team: each may use all that the operator may."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Names of the variables stand in the README's table."""

    region: str | None = None
    allowed_regions: tuple[str, ...] = ()
    """Regions that objects may name in spec.region; empty for all."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to serve; empty for all."""
    allowed_paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each namespace (or * for the others) the paths that it may use; empty where none are listed."""
    tenancy: Tenancy | None = None
    """Whether the namespaces of the cluster trust each other; None where the environment does not say."""
    policy_file: str = ""
    """What namespaces of a shared cluster may use besides; empty for nothing."""
    cluster_id: str | None = None
    """Name of this cluster in owner tags, instead of the uid of kube-system."""
    workers: int = 32
    """Objects that are reconciled at the same time."""
    turn_seconds: float = 15.0
    """How long one object may write before others get a turn and its status tells of the progress."""
    is_emulated: bool = False
    """AWS is an emulator: its quotas are not AWS's."""
    quota: Mapping[str, float] = field(default_factory=dict)
    """Calls per second, by operation or group, that replace the built-in ones."""
    ignored_tags: tuple[str, ...] = ()
    """Prefixes of tag keys that somebody else keeps on the resources."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of what the operator makes for itself: its queues and rules. Those of an object's resources are in its spec."""
    boundary: str = ""
    """ARN of the permissions boundary of every role that the operator makes; empty for none."""
    events_enabled: bool = True
    """Whether AWS events are received; otherwise drift is detected at the resync only."""
    queue_urls: tuple[str, ...] = ()
    """Queues that somebody else fills with events, at most one a region; empty where the operator makes its own."""
    metrics_port: int = 0
    """Port of the Prometheus metrics; 0 for none."""
    health_port: int = 0
    """Port of /healthz; 0 for none."""
    log_level: str = "INFO"
    log_format: str = "text"

    def __post_init__(self) -> None:
        if self.metrics_port and self.metrics_port == self.health_port:
            raise BadSetting(
                f"DYNCONFIG_METRICS_PORT and DYNCONFIG_HEALTH_PORT are both {self.health_port}; set another"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings in environment variables. Raises BadSetting."""
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
        """The paths that are listed for a namespace, NOWHERE if none are; empty where none are listed for any."""
        if not self.allowed_paths:
            return ()
        # A namespace that is in no list may use nothing, rather than everything.
        return self.allowed_paths.get(namespace) or self.allowed_paths.get("*") or NOWHERE

    @property
    def all_paths(self) -> tuple[str, ...]:
        """The paths that any namespace may use; empty where that is not known, since a policy may list more."""
        if self.policy_file:
            return ()
        return tuple(sorted({path for paths in self.allowed_paths.values() for path in paths}))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _cluster_id(text: str | None) -> str | None:
    # The owner tag has 256 characters, of which namespace, name and uid may take 165, and parts them by slashes.
    if text is not None and not re.fullmatch(r"[a-zA-Z0-9_.:-]{1,63}", text):
        raise BadSetting(
            f"DYNCONFIG_CLUSTER_ID: {text!r} is not 1 to 63 letters, digits and _ . : - as owner tags take it; of the ARN "
            "of an EKS cluster, the name alone would do"
        )
    return text


def _urls(text: str) -> tuple[str, ...]:
    for url in _listed(text):
        if urlsplit(url).scheme not in ("https", "http") or not urlsplit(url).path.strip("/"):
            raise BadSetting(
                f"DYNCONFIG_QUEUE_URL: {url!r} is not like https://sqs.eu-west-1.amazonaws.com/123456789012/queue"
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
                f"DYNCONFIG_ALLOWED_PATHS: {part!r} is not like shop=/shop,/common; parts are separated by ;"
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
            raise BadSetting(f"DYNCONFIG_QUOTA: {part!r} is not like ssm.Put=10 (calls per second)") from None
        if found[operation.strip()] <= 0:
            raise BadSetting(f"DYNCONFIG_QUOTA: {part!r} must be above 0")
    return found


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _listed(text):
        key, separator, value = (word.strip() for word in part.partition("="))
        if not separator or key in found:
            raise BadSetting(f"DYNCONFIG_TAGS: {part!r} is not like CostCenter=4711,team=platform, each key once")
        if is_reserved(key) or not 1 <= len(key) <= MAX_KEY or len(value) > MAX_VALUE or not is_legal(key + value):
            raise BadSetting(
                f"DYNCONFIG_TAGS: AWS does not take the tag {part!r}; a key has 1 to {MAX_KEY} characters and a value up to "
                f"{MAX_VALUE} (letters, digits, spaces, _ . : / = + @ -), and aws: and dynconfig.dev/ are reserved"
            )
        found[key] = value
    if len(found) > MAX_TAGS_TOGETHER:
        raise BadSetting(f"DYNCONFIG_TAGS: {len(found)} tags; AWS takes {MAX_TAGS_TOGETHER} beside the operator's own")
    return found


def _number(own: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = own.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise BadSetting(f"DYNCONFIG_{name}: {text!r} is not a whole number from {lowest} to {highest}")
    return int(text)


def _arn(own: Mapping[str, str], name: str) -> str:
    text = own.get(name, "")
    if text and not re.fullmatch(POLICY_ARN, text):
        raise BadSetting(f"DYNCONFIG_{name}: {text!r} is not the ARN of an IAM policy")
    return text


def _choice(own: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = own.get(name, choices[0])
    found = next((choice for choice in choices if choice.lower() == text.lower()), None)
    if found is None:
        raise BadSetting(f"DYNCONFIG_{name}: {text!r} is none of {', '.join(choices)}")
    return found


def _region(environment: Mapping[str, str]) -> str | None:
    for name in ("DYNCONFIG_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        text = environment.get(name)
        if text and not re.fullmatch("[a-z0-9-]+", text):
            raise BadSetting(f"{name}: {text!r} is not like eu-west-1")
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
        raise BadSetting(f"{name}: {url!r} is not like http://127.0.0.1:4566")
    return found

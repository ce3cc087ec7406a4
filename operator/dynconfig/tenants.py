"""The policy file of a shared cluster: read, checked, and read again when it has changed."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from dynconfig.api.allow import Policy
from dynconfig.engine.counting import counted
from dynconfig.engine.tenancy import Tenant, tenant
from dynconfig.settings import BadSetting, Settings, Tenancy

log = logging.getLogger(__name__)

# A ConfigMap holds no more: https://kubernetes.io/docs/concepts/configuration/configmap/
MAX_BYTES = 2**20

Labels = Mapping[str, Mapping[str, str]]
"""The labels of namespaces, by name."""


def policy(path: Path) -> Policy:
    """The policy in a file. Raises BadSetting, naming what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadSetting(f"DYNCONFIG_POLICY: {path} cannot be read: {error.strerror}") from None
    return _parsed(path, content)


class Tenants:
    """What each namespace may use, by the settings, the policy file, and the labels of namespaces. Safe for many threads."""

    def __init__(self, settings: Settings, otherwise: Tenancy, *, awaits_policy: bool = False) -> None:
        """Take `otherwise` where the settings do not say. Raises BadSetting.

        With `awaits_policy`, a file that is missing, and whose folder is there, has no rules.
        """
        if settings.policy_file and settings.tenancy is Tenancy.SINGLE:
            raise BadSetting("DYNCONFIG_POLICY: with DYNCONFIG_TENANCY=single no policy counts; unset one of them")
        self._settings = settings
        self._is_shared = bool(settings.policy_file) or (settings.tenancy or otherwise) is Tenancy.SHARED
        self._path = Path(settings.policy_file) if settings.policy_file else None
        self._awaits_policy = awaits_policy
        self._policy, self._digest = Policy(), b""
        self._is_current = True
        """The policy is what the file says now: the file is there, and is not wrong."""
        self._labels: Labels = {}
        if self._path is not None:
            self._policy, self._digest = self._read(self._path), _digest(self._path)

    def __call__(self, namespace: str) -> Tenant:
        """What a namespace may use now."""
        paths, regions = self._settings.paths_of(namespace), self._settings.allowed_regions
        if not self._is_shared:
            return Tenant(namespace, paths=paths, regions=regions)
        labels = self._labels.get(namespace)
        return tenant(self._policy, namespace, labels, paths, regions, is_current=self._is_current)

    def __str__(self) -> str:
        """What the log says of it at the start."""
        if not self._is_shared:
            return "tenancy single"
        return f"tenancy shared, {counted(len(self._policy.allow), 'rule')} in {self._path or 'no policy'}"

    @property
    def needs_labels(self) -> bool:
        """Whether a rule selects namespaces by their labels."""
        return any(rule.namespace_selector is not None for rule in self._policy.allow)

    def label(self, labels: Labels) -> bool:
        """Take the labels of all namespaces; answers whether they are others than before."""
        is_new = dict(labels) != self._labels
        self._labels = dict(labels)
        return is_new

    def reload(self) -> bool:
        """Read the file again where it has changed; answers whether it has. One that is wrong is logged, and not taken."""
        if self._path is None or (digest := _digest(self._path)) == self._digest:
            return False
        self._digest = digest
        try:
            self._policy = self._read(self._path)
        except BadSetting as error:
            self._is_current = False
            log.error("The policy is not reloaded, and the one before it counts: %s", error)
            return False
        log.info("The policy in %s is reloaded; it has %s", self._path, counted(len(self._policy.allow), "rule"))
        return True

    def _read(self, path: Path) -> Policy:
        """The policy in a file; notes whether there is one. Raises BadSetting."""
        # The folder of an optional ConfigMap is mounted without the ConfigMap, too, and follows it when it comes and goes:
        # https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#optional-configmaps
        if self._awaits_policy and not path.exists() and path.parent.is_dir():
            log.warning(
                "DYNCONFIG_POLICY: %s is missing, so there is no policy and no namespace is granted anything: write the rules "
                "into the ConfigMap that is mounted at %s (dynconfig-policy); they are read as soon as they are there",
                path,
                path.parent,
            )
            self._is_current = False
            return Policy()
        found = policy(path)
        self._is_current = True
        return found


def _parsed(path: Path, content: bytes) -> Policy:
    if len(content) > MAX_BYTES:
        raise BadSetting(f"DYNCONFIG_POLICY: {path} has {len(content)} bytes; it may have {MAX_BYTES}")
    try:
        return Policy.model_validate(yaml.safe_load(content) or {})
    except yaml.YAMLError as error:
        raise BadSetting(f"DYNCONFIG_POLICY: {path} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BadSetting(f"DYNCONFIG_POLICY: {path}: {'; '.join(faults)}") from None


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        # Kubernetes swaps the folder of a ConfigMap; a file that is gone for good is reported when it is read.
        return b"missing"

"""The policy file of a shared cluster: loaded, validated, and reloaded after a change."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dynconfig.api.allow import Policy
from dynconfig.model.counting import counted
from dynconfig.settings import BadSetting, Settings, Tenancy
from dynconfig.validation.tenancy import Tenant, tenant

log = logging.getLogger(__name__)

# The size limit of a ConfigMap: https://kubernetes.io/docs/concepts/configuration/configmap/
MAX_BYTES = 2**20
KEY = "policy.yaml"
"""The key of the ConfigMap of the policy."""

Labels = Mapping[str, Mapping[str, str]]
"""Labels by namespace name."""


def policy(path: Path) -> Policy:
    """Load a policy file. Raises BadSetting with the reason."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadSetting(f"DYNCONFIG_POLICY: {path} cannot be read: {error.strerror}") from None
    return _parsed(path, content)


class Tenants:
    """What each namespace may use, according to settings, policy file and namespace labels. Thread-safe."""

    def __init__(self, settings: Settings, default: Tenancy, *, awaits_policy: bool = False) -> None:
        """Use `default` if the settings define no tenancy. Raises BadSetting.

        With `awaits_policy`, a missing file in an existing directory counts as a policy without rules.
        """
        if settings.policy_file and settings.tenancy is Tenancy.SINGLE:
            raise BadSetting("DYNCONFIG_POLICY: has no effect with DYNCONFIG_TENANCY=single; unset one of them")
        self._settings = settings
        self._is_shared = bool(settings.policy_file) or (settings.tenancy or default) is Tenancy.SHARED
        self._path = Path(settings.policy_file) if settings.policy_file else None
        self._awaits_policy = awaits_policy
        self._policy, self._digest = Policy(), b""
        self._is_current = True
        """Whether the loaded policy matches the file: it exists and is valid."""
        self._labels: Labels = {}
        self.targets_need_labels: Callable[[], bool] = lambda: False
        """Return whether a rule of a target selects namespaces by their labels."""
        self.rights_in_targets: Callable[[str], object] = lambda _namespace: None
        """Return what a namespace may use in all targets."""
        if self._path is not None:
            self._policy, self._digest = self._read(self._path), _digest(self._path)

    def __call__(self, namespace: str) -> Tenant:
        """Return what a namespace may use now."""
        paths, regions = self._settings.paths_of(namespace), self._settings.allowed_regions
        if not self._is_shared:
            return Tenant(namespace, paths=paths, regions=regions)
        labels = self._labels.get(namespace)
        return tenant(self._policy, namespace, labels, paths, regions, is_current=self._is_current)

    def __str__(self) -> str:
        """Describe the tenancy for the startup log."""
        if not self._is_shared:
            return "tenancy single"
        return f"tenancy shared, {counted(len(self._policy.allow), 'rule')} in {self._path or 'no policy'}"

    def labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None if they are unknown."""
        return self._labels.get(namespace)

    @property
    def needs_labels(self) -> bool:
        """Whether a rule of the policy or of a target selects namespaces by their labels."""
        return self.targets_need_labels() or any(rule.namespace_selector is not None for rule in self._policy.allow)

    def set_labels(self, labels: Labels) -> frozenset[str]:
        """Set the labels of all namespaces; return the namespaces that may use something else now."""
        relabelled = [name for name in {**self._labels, **labels} if self._labels.get(name) != labels.get(name)]
        before = [self._rights(name) for name in relabelled]
        self._labels = dict(labels)
        after = map(self._rights, relabelled)
        return frozenset(name for name, old, new in zip(relabelled, before, after, strict=True) if old != new)

    def _rights(self, namespace: str) -> tuple[Tenant, object]:
        return self(namespace), self.rights_in_targets(namespace)

    def reload(self) -> bool:
        """Reload a changed file; return whether a new policy is in effect. An invalid file is logged and ignored."""
        if self._path is None or (digest := _digest(self._path)) == self._digest:
            return False
        self._digest = digest
        try:
            self._policy = self._read(self._path)
        except BadSetting as error:
            self._is_current = False
            log.error("Cannot reload the policy; the previous one stays in effect: %s", error)
            return False
        log.info("Reloaded policy %s with %s", self._path, counted(len(self._policy.allow), "rule"))
        return True

    def _read(self, path: Path) -> Policy:
        """Load the policy file and record whether it exists. Raises BadSetting."""
        # An optional ConfigMap is mounted even if it does not exist, and updated when it is created or deleted:
        # https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#optional-configmaps
        if self._awaits_policy and not path.exists() and path.parent.is_dir():
            log.warning(
                "DYNCONFIG_POLICY: %s not found, so namespaces have no access. Add the rules to the ConfigMap of this path, or "
                "create the file; it is loaded automatically",
                path,
            )
            self._is_current = False
            return Policy()
        found = policy(path)
        self._is_current = True
        return found


def _parsed(path: Path, content: bytes) -> Policy:
    if len(content) > MAX_BYTES:
        raise BadSetting(f"DYNCONFIG_POLICY: {path} has {len(content)} bytes; the limit is {MAX_BYTES}")
    try:
        found = yaml.safe_load(content) or {}
        if isinstance(found, dict) and found.get("kind") == "ConfigMap":
            found = yaml.safe_load(_in_manifest(path, found)) or {}
        return Policy.model_validate(found)
    except yaml.YAMLError as error:
        raise BadSetting(f"DYNCONFIG_POLICY: {path} is not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BadSetting(f"DYNCONFIG_POLICY: {path}: {'; '.join(faults)}") from None


def _in_manifest(path: Path, manifest: Mapping[str, Any]) -> str:
    """Return the policy in the manifest of the ConfigMap that the operator's file is mounted from."""
    data = manifest.get("data")
    found = data.get(KEY) if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise BadSetting(f"DYNCONFIG_POLICY: {path}: the ConfigMap has no data.{KEY!r}")
    return found


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        # Kubernetes replaces the directory of a ConfigMap; a file that is still missing is reported when it is loaded.
        return b"missing"

"""The AWS accounts of objects: the caller's own, and those of AWSTargets, whose roles the caller's own credentials assume."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dynconfig import wiring
from dynconfig.api.target import AWSTargetSpec
from dynconfig.aws.session import Session
from dynconfig.aws.targets import TargetSession, TargetSessions
from dynconfig.cli.files import Document, Origin
from dynconfig.engine.reconcile import Engine
from dynconfig.model.errors import AccessDenied, InvalidSpec, TargetNotFound, TargetNotReady, Terminal, WrongAccount
from dynconfig.model.stored import target_of
from dynconfig.model.target import Target
from dynconfig.settings import Settings
from dynconfig.validation.declare import check_accepts
from dynconfig.validation.targets import check_unchanged, parse_target
from dynconfig.validation.tenancy import Tenant, tenant_in, unknown_tenant


@dataclass(frozen=True, slots=True)
class ClusterTargets:
    """What the cluster has of targets; without a cluster, nothing."""

    id: str = ""
    """Identifies the cluster in owner tags and sessions; empty if it is unknown."""
    find: Callable[[str], Document | None] | None = None
    """Returns an AWSTarget by its name, or None. Raises TargetNotFound if it may not be read. None without a cluster."""
    labels: Callable[[str], Mapping[str, str] | None] = lambda _namespace: None
    """Returns the labels of a namespace, None if they are unknown."""


class Accounts:
    """Finds the target of each object, and verifies its account before anything is read there. Not thread-safe.

    An AWSTarget in the files counts as applied, as Secrets and ConfigMaps in them do.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: ClusterTargets,
        in_files: Sequence[tuple[Document, Origin]] = (),
        *,
        account: str | None = None,
    ) -> None:
        """With `account`, that of the caller's credentials, AWS is not asked for it."""
        self.default = settings.default_target
        self._settings = settings
        self._cluster = cluster
        self._in_files = {document["metadata"].get("name"): document for document, _ in in_files}
        self._account = account
        self._known: dict[str, tuple[Document, AWSTargetSpec]] = {}
        self._verified: dict[str, Terminal | None] = {}

    @cached_property
    def own(self) -> Session:
        """The clients of the caller's own credentials."""
        return wiring.session(self._settings)

    @cached_property
    def _sessions(self) -> TargetSessions:
        return TargetSessions(self.own, self._cluster.id, own_account=self._account)

    def engine(self, at_once: Executor | None = None) -> Engine:
        """Return an engine with all kinds, which reads each place with its own credentials."""
        return wiring.engine(
            self._settings, at_once=at_once, account=self._account, clients=self.own, targets=self._sessions
        )

    def target_of(self, document: Mapping[str, Any]) -> Target | None:
        """Return the target of an object, None for the caller's own account. AWS is not called.

        What status records decides, as for the operator. Raises TargetNotFound, TargetNotReady, TargetTerminating, TargetChanged.
        """
        name = target_of(document, self.default)
        if not name:
            return None
        found, _ = self._target(name)
        check_accepts(document, found)
        target = self.target(name)
        check_unchanged(document, target)
        return target

    def target(self, name: str) -> Target:
        """Return a target by its name. Raises TargetNotFound, TargetNotReady."""
        return Target.of(name, self._target(name)[1])

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""
        try:
            _, spec = self._target(target)
        except (TargetNotFound, TargetNotReady):
            return unknown_tenant(namespace, target)
        needs_labels = any(rule.namespace_selector for rule in spec.allow)
        return tenant_in(target, spec, namespace, self._cluster.labels(namespace) if needs_labels else None)

    def region_of(self, target: str, /) -> str:
        """Return the region of a target; empty if it is invalid or does not exist."""
        try:
            return self._target(target)[1].region
        except (TargetNotFound, TargetNotReady):
            return ""

    def clients(self, target: Target | None) -> Session | TargetSession:
        """Return the clients of a target after `verify`, or of the caller's own account. Raises as `verify`."""
        self.verify(target)
        return self.own if target is None else self._sessions.session(target)

    def verify(self, target: Target | None) -> None:
        """Check once that the caller's credentials give access to the account of a target, so that no other is read.

        Raises TargetNotReady, WrongAccount, and errors of AWS calls.
        """
        if target is None:
            return
        if target.name not in self._verified:
            self._verified[target.name] = self._refusal(target)
        failure = self._verified[target.name]
        if failure is not None:
            raise failure.with_traceback(None)

    def _refusal(self, target: Target) -> Terminal | None:
        try:
            self._sessions.verify(target)
        except AccessDenied:
            # AWS gives the same answer whatever forbids it, and if the role does not exist.
            return TargetNotReady(
                f"your AWS credentials may not assume {target.role_arn}, the role of AWSTarget {target.name}; use "
                "others (AWS_PROFILE), or ask for sts:AssumeRole, and to be named in the trust policy of the role"
            )
        except WrongAccount as error:
            if target.role_arn:
                return error
            return TargetNotReady(
                f"AWSTarget {target.name} has no role and is in account {target.account}, but your AWS credentials belong to "
                f"another; use credentials of account {target.account} (AWS_PROFILE)"
            )
        return None

    def _target(self, name: str) -> tuple[Document, AWSTargetSpec]:
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> tuple[Document, AWSTargetSpec]:
        in_file = self._in_files.get(name)
        live = self._cluster.find(name) if self._cluster.find else None
        found = in_file or live
        if found is None:
            if self._cluster.find:
                raise TargetNotFound(f"AWSTarget {name} does not exist; ask a cluster administrator to create it")
            raise TargetNotFound(
                f"AWSTarget {name} is not in the files, and no cluster is contacted; add its manifest, or set KUBECONFIG"
            )
        try:
            spec = parse_target(found)
            before = parse_target(live) if live else spec
        except InvalidSpec as error:
            raise TargetNotReady(f"AWSTarget {name} is invalid: {error}") from None
        if (before.account, before.region) != (spec.account, spec.region):
            raise TargetNotReady(
                f"AWSTarget {name} is account {before.account} in {before.region} in the cluster, and account "
                f"{spec.account} in {spec.region} in the files; both are immutable"
            )
        # A file does not show whether the target is being deleted.
        return live or found, spec

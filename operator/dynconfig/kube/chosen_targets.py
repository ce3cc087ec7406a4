"""The target of each object, verified before its first use."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dynconfig.api.target import AWSTargetSpec
from dynconfig.kube.client import ApiUnavailable, Document
from dynconfig.kube.targets import FIRST_RETRY_SECONDS, Accounts, Targets, is_kept
from dynconfig.model.errors import DynConfigError, InvalidSpec, TargetNotFound, TargetNotReady, Terminal
from dynconfig.model.stored import target_of
from dynconfig.model.target import Target
from dynconfig.validation.targets import parse_target
from dynconfig.validation.tenancy import NOWHERE, Tenant, tenant_in


class ChosenTargets(Protocol):
    """The targets of objects."""

    @property
    def default(self) -> str:
        """The name of the target of objects without spec.target; empty for none."""

    async def of(self, document: Mapping[str, Any]) -> Target | None:
        """Return the target of an object, None for the operator's own identity.

        Raises TargetNotFound, TargetNotReady, and errors of AWS that may pass.
        """

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""


class NoTargets:
    """There are no targets."""

    default = ""

    async def of(self, document: Mapping[str, Any]) -> Target | None:
        """Return None. Raises TargetNotFound if the object names a target."""
        if name := target_of(document, ""):
            raise TargetNotFound(f"AWSTarget {name} does not exist")
        return None

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return a namespace without permissions."""
        return unknown_tenant(namespace, target)


def unknown_tenant(namespace: str, target: str) -> Tenant:
    """Return the permissions in a target that does not exist, or is invalid: nothing is written, and nothing given up."""
    return Tenant(namespace, is_trusted=False, paths=NOWHERE, is_known=False, target=target)


class VerifiedTargets:
    """The targets of objects. Before the first use of a target, its account is verified."""

    def __init__(
        self,
        targets: Targets,
        accounts: Accounts,
        labels: Callable[[str], Mapping[str, str] | None],
        clock: Callable[[], float],
        default: str = "",
    ) -> None:
        self.default = default
        self._targets = targets
        self._accounts = accounts
        self._labels = labels
        self._clock = clock
        self._specs: dict[str, tuple[Document | None, AWSTargetSpec | None]] = {}
        self._verified: dict[str, Target] = {}
        self._failed: dict[str, tuple[Document, float, DynConfigError]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def needs_labels(self) -> bool:
        """Return whether a rule of a target selects namespaces by their labels."""
        specs = (self._spec(name) for name in self._targets)
        return any(rule.namespace_selector is not None for spec in specs if spec for rule in spec.allow)

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""
        spec = self._spec(target)
        return (
            unknown_tenant(namespace, target)
            if spec is None
            else tenant_in(target, spec, namespace, self._labels(namespace))
        )

    async def of(self, document: Mapping[str, Any]) -> Target | None:
        """Return the target of an object, None for the operator's own identity.

        Raises TargetNotFound, TargetNotReady, and errors of AWS and the API server that may pass.
        """
        name = target_of(document, self.default)
        if not name:
            return None
        found = self._targets.get(name)
        if found is None and not self._targets.is_listed:
            raise ApiUnavailable("AWSTargets are not listed yet")
        if found is None:
            raise TargetNotFound(
                f"AWSTarget {name} does not exist, and nothing was written. Ask a cluster administrator to create it"
            )
        if not is_kept(found):
            # The object that needs the target may be its first: the checks add the finalizer.
            self._targets.changes.set()
        try:
            target = Target.of(name, parse_target(found))
            await self._verify(found, target)
        except Terminal as error:
            raise TargetNotReady(f"AWSTarget {name} is not ready, and nothing was written: {error}") from None
        return target

    async def _verify(self, document: Document, target: Target) -> None:
        """Verify a target once. After a failure, wait some seconds, or for a change. Raises errors of AWS calls."""
        async with self._locks.setdefault(target.name, asyncio.Lock()):
            if self._verified.get(target.name) == target.identity:
                return
            failed, until, error = self._failed.get(target.name, (None, 0.0, None))
            if error is not None and failed is document and self._clock() < until:
                raise error.with_traceback(None)
            try:
                await asyncio.to_thread(self._accounts.verify, target)
            except DynConfigError as error:
                self._failed[target.name] = (document, self._clock() + FIRST_RETRY_SECONDS, error)
                raise
            self._failed.pop(target.name, None)
            self._verified[target.name] = target.identity

    def _spec(self, name: str) -> AWSTargetSpec | None:
        """Return the spec of a target, parsed once; None if there is none, or an invalid one."""
        document, (known, spec) = self._targets.get(name), self._specs.get(name, (None, None))
        if known is not document:
            try:
                spec = parse_target(document) if document else None
            except InvalidSpec:
                spec = None
            self._specs[name] = (document, spec)
        return spec

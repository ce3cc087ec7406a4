"""The target of each object, verified before its first use."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Protocol

from dynconfig.api.status import ConditionType
from dynconfig.api.target import AWSTargetSpec
from dynconfig.kube.client import ApiUnavailable, Document
from dynconfig.kube.targets import CHECK_SECONDS, FIRST_RETRY_SECONDS, Accounts, Targets, is_kept
from dynconfig.model.errors import (
    DynConfigError,
    InvalidSpec,
    PathNotAllowed,
    TargetNotFound,
    TargetNotReady,
    TargetNotVerified,
    Terminal,
)
from dynconfig.model.stored import recorded_place, spec_of, target_of
from dynconfig.model.target import Target
from dynconfig.validation.declare import is_place_lost, terminating
from dynconfig.validation.targets import check_unchanged, parse_target
from dynconfig.validation.tenancy import Tenant, tenant_in, unknown_tenant

log = logging.getLogger(__name__)

# For how long the objects of a target wait for its verification: each keeps a worker busy, which the objects of others need.
PATIENCE_SECONDS = 1.0
MAX_VERIFIED_TOGETHER = 8


class ChosenTargets(Protocol):
    """The targets of objects."""

    @property
    def default(self) -> str:
        """The name of the target of objects without spec.target; empty for none."""

    def chosen(self, document: Mapping[str, Any]) -> Target | None:
        """Return the target of an object, None for the operator's own identity. AWS is not called.

        Raises TargetNotFound, TargetNotReady, TargetTerminating, TargetChanged, and ApiUnavailable.
        """

    async def verify(self, target: Target | None) -> None:
        """Verify that the credentials of a target belong to its account; nothing to do for None.

        Raises TargetNotReady, and errors of AWS that may pass.
        """

    def check_granted(self, document: Mapping[str, Any], target: Target | None) -> None:
        """Raise PathNotAllowed for an object that wrote nothing, if no rule of the target grants its namespace anything."""

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""

    def region_of(self, target: str, /) -> str:
        """Return the region of a target; empty if it is invalid or unknown."""

    def digest(self, target: str, /) -> str:
        """Return a digest of what a target declares for its objects; empty if it is invalid or unknown, and without a target."""


class NoTargets:
    """There are no targets."""

    default = ""

    def chosen(self, document: Mapping[str, Any]) -> Target | None:
        """Return None. Raises TargetNotFound if the object names a target."""
        if name := target_of(document, ""):
            raise TargetNotFound(f"AWSTarget {name} does not exist")
        return None

    async def verify(self, target: Target | None) -> None:
        """There is nothing to verify."""

    def check_granted(self, document: Mapping[str, Any], target: Target | None) -> None:
        """Without a target, the policy decides."""

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return a namespace without permissions."""
        return unknown_tenant(namespace, target)

    def region_of(self, _target: str, /) -> str:
        """Return nothing."""
        return ""

    def digest(self, _target: str, /) -> str:
        """Return nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class _Verified:
    identity: Target
    uid: str
    """The UID of the target."""
    until: float
    """When it has to be verified again, by the monotonic clock."""


@dataclass(frozen=True, slots=True)
class _Running:
    task: asyncio.Task[None]
    identity: Target
    until: float
    """Until when objects wait for it, by the time of the event loop."""


class VerifiedTargets:
    """The targets of objects. Before the first use of a target, and every ten minutes, its account is verified."""

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
        self._verified: dict[str, _Verified] = {}
        self._failed: dict[str, tuple[Document | None, float, DynConfigError]] = {}
        self._running: dict[str, _Running] = {}
        self._threads = ThreadPoolExecutor(MAX_VERIFIED_TOGETHER, thread_name_prefix="verify")
        targets.on_change(self._target_changed)

    def needs_labels(self) -> bool:
        """Return whether a rule of a target selects namespaces by their labels."""
        specs = (self._spec(name) for name in self._targets)
        return any(rule.namespace_selector is not None for spec in specs if spec for rule in spec.allow)

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        """Return what a namespace may use in a target."""
        spec = None if self._targets.unreadable else self._spec(target)
        return (
            unknown_tenant(namespace, target)
            if spec is None
            else tenant_in(target, spec, namespace, self._labels(namespace))
        )

    def region_of(self, target: str, /) -> str:
        """Return the region of a target, which is immutable; empty if the target is invalid or unknown."""
        spec = self._spec(target)
        return spec.region if spec else ""

    def digest(self, target: str, /) -> str:
        """Return a digest of what a target declares for its objects; empty if it is invalid or unknown, and without a target."""
        spec = None if self._targets.unreadable else self._spec(target)
        return spec.digest if spec else ""

    def rights(self, namespace: str) -> tuple[Tenant, ...]:
        """Return what a namespace may use in each target. Thread-safe."""
        return tuple(self.tenant_in(namespace, name) for name in tuple(self._targets))

    def chosen(self, document: Mapping[str, Any]) -> Target | None:
        """Return the target of an object, None for the operator's own identity. AWS is not called.

        Raises TargetNotFound, TargetNotReady, TargetTerminating, TargetChanged, and ApiUnavailable until all are listed.
        """
        name = target_of(document, self.default)
        if not name:
            return None
        found = self._existing(name)
        if "deletionTimestamp" in found["metadata"] and not self._serves_while_terminating(document, name):
            raise terminating(name)
        if not is_kept(found) and self._uses(document, name):
            # The object may be the first of the target: the checks add the finalizer.
            self._targets.object_needs(name)
        try:
            target = Target.of(name, self._spec(name) or parse_target(found))
        except InvalidSpec as error:
            raise _not_ready(name, error) from None
        check_unchanged(document, target)
        return target

    def check_granted(self, document: Mapping[str, Any], target: Target | None) -> None:
        """Raise PathNotAllowed for an object that wrote nothing, if no rule of the target grants its namespace anything."""
        if target is None or recorded_place(document.get("status")) is not None:
            return
        namespace = document["metadata"]["namespace"]
        if not self.tenant_in(namespace, target.name).rules:
            raise PathNotAllowed(f"no rule of AWSTarget {target.name} selects namespace {namespace}")

    async def verify(self, target: Target | None) -> None:
        """Verify a target every ten minutes, and after a change of its identity; after a failure, wait for seconds or a change.

        All objects share one call. If AWS does not answer it soon, they do not wait for it, and are requeued when it ends.
        Raises TargetNotReady, and errors of AWS that may pass.
        """
        if target is None:
            return
        try:
            await self._verify(target)
        except Terminal as error:
            raise _not_ready(target.name, error) from None

    def _serves_while_terminating(self, document: Mapping[str, Any], name: str) -> bool:
        """Whether a target that is being deleted serves an object: one that has something there, as far as is known.

        If status was lost, it is only deleted: authors can make new objects look so.
        """
        is_recorded = recorded_place(document.get("status")) is not None
        is_deleted_unknown = "deletionTimestamp" in document["metadata"] and is_place_lost(document)
        return is_recorded or (is_deleted_unknown and self._uses(document, name))

    def _uses(self, document: Mapping[str, Any], name: str) -> bool:
        """Whether an object has something in a target, or may."""
        namespace, path = str(document["metadata"].get("namespace", "")), str(spec_of(document).get("path", ""))
        is_recorded = recorded_place(document.get("status")) is not None
        return is_recorded or self.tenant_in(namespace, name).may_have_path(path)

    def _existing(self, name: str) -> Document:
        """Return a target. Raises TargetNotFound, TargetNotReady, and ApiUnavailable until all are listed."""
        found = self._targets.get(name)
        if found is None and not self._targets.is_listed:
            raise ApiUnavailable("AWSTargets are not listed yet")
        if found is None:
            raise TargetNotFound(
                f"AWSTarget {name} does not exist, and nothing was written. Ask a cluster administrator to create it"
            )
        if self._targets.unreadable:
            raise TargetNotReady(
                f"AWSTarget {name} is not ready, and nothing was written: the operator cannot list AWSTargets any more. Ask a "
                f"cluster administrator to apply their CRD and the operator's RBAC: {self._targets.unreadable}"
            )
        return found

    async def _verify(self, target: Target) -> None:
        document = self._targets.get(target.name)
        if self._is_verified(target, document):
            return
        running = self._running.get(target.name)
        if running is None or running.identity != target.identity:
            failed, until, error = self._failed.get(target.name, (None, 0.0, None))
            if error is not None and failed is document and self._clock() < until:
                raise error.with_traceback(None)
            running = self._start(target, document)
        patience = max(running.until - asyncio.get_running_loop().time(), 0.0)
        await asyncio.wait([running.task], timeout=patience)
        if not running.task.done():
            raise TargetNotVerified(f"AWS has not confirmed the credentials of AWSTarget {target.name} yet")
        await running.task

    def _is_verified(self, target: Target, document: Document | None) -> bool:
        known = self._verified.get(target.name)
        return (
            known is not None
            and known.identity == target.identity
            and known.uid == _uid(document)
            and self._clock() < known.until
        )

    def _start(self, target: Target, document: Document | None) -> _Running:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._call(target, document), name=f"verify {target.name}")
        running = self._running[target.name] = _Running(task, target.identity, loop.time() + PATIENCE_SECONDS)
        task.add_done_callback(lambda _task: self._ended(target.name, running))
        return running

    def _ended(self, name: str, running: _Running) -> None:
        if self._running.get(name) is running:
            del self._running[name]
        is_late = asyncio.get_running_loop().time() >= running.until
        # An exception that no object awaits any more was recorded for the next ones.
        if not running.task.cancelled() and running.task.exception() is not None:
            log.debug("AWSTarget %s could not be verified", name)
        if is_late:
            self._targets.notify(name)

    async def _call(self, target: Target, document: Document | None) -> None:
        loop, began = asyncio.get_running_loop(), self._clock()
        try:
            await loop.run_in_executor(self._threads, copy_context().run, self._accounts.verify, target)
        except DynConfigError as error:
            # Objects that did not wait for a slow answer have to find it.
            kept = max(FIRST_RETRY_SECONDS, 2 * (self._clock() - began))
            self._failed[target.name] = (document, self._clock() + kept, error)
            raise
        self._failed.pop(target.name, None)
        self._verified[target.name] = _Verified(target.identity, _uid(document), self._clock() + CHECK_SECONDS)

    def _target_changed(self, name: str) -> None:
        """Forget that a target was verified if its check has failed since, and everything about one that no longer exists."""
        document = self._targets.get(name)
        if document is None:
            for known in (self._specs, self._verified, self._failed):
                known.pop(name, None)
            self._accounts.forget(name)
        elif _is_failing(document):
            self._verified.pop(name, None)

    def all(self) -> Iterator[Target]:
        """Yield all valid targets."""
        for name in self._targets:
            if spec := self._spec(name):
                yield Target.of(name, spec)

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


def _not_ready(name: str, error: DynConfigError) -> TargetNotReady:
    return TargetNotReady(f"AWSTarget {name} is not ready, and nothing was written: {error}")


def _uid(document: Document | None) -> str:
    return str(document["metadata"]["uid"]) if document else ""


def _is_failing(document: Document) -> bool:
    conditions = (document.get("status") or {}).get("conditions") or ()
    return any(item["type"] == ConditionType.READY and item["status"] != "True" for item in conditions)

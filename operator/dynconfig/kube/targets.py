"""Watches the AWSTargets, checks the account of each, and reports the result in its status."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from dynconfig.api import names
from dynconfig.kube.client import (
    FORBIDDEN,
    NOT_FOUND,
    ApiConflict,
    ApiRefused,
    ApiUnavailable,
    Document,
    Kube,
    WatchExpired,
)
from dynconfig.kube.object_watch import Unreadable
from dynconfig.kube.responses import DELETED, UNREADABLE
from dynconfig.kube.skipped_changes import SkippedChanges
from dynconfig.kube.sources import Sleep, WatchBackoff
from dynconfig.kube.traces import trace
from dynconfig.model.errors import DynConfigError
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig.model.key import Key
from dynconfig.model.target import Target
from dynconfig.status import target as target_status
from dynconfig.validation.targets import parse_target

log = logging.getLogger(__name__)

KINDS = "AWSTargets"
# A role, its trust policy or the operator's permissions may change without an event.
CHECK_SECONDS = 600.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 10.0, 300.0
# How soon a target is kept after the first object names it, and released after the last one is gone.
USERS_SECONDS = 2.0

# An object that passed the check of its target before its deletion reads its Secrets first, and then records its place.
RELEASE_SECONDS = 30.0

# A check may wait for an STS that does not answer, and the default threads also serve others.
MAX_CONCURRENT = 8


@dataclass(frozen=True, slots=True)
class Users:
    """The objects that use a target: those that have something there, or may."""

    keys: tuple[Key, ...] = ()
    """The first ones."""
    is_complete: bool = True
    """Whether all are known. False if the operator does not watch all namespaces."""
    more: int = 0
    """How many are known beside the first ones."""


class UsersOf(Protocol):
    """Returns the objects that use a target, None while that is not known."""

    def __call__(self, name: str, /, *, is_one_enough: bool = False) -> Users | None:
        """With `is_one_enough`, return any one of them, which takes less time."""


class Accounts(Protocol):
    """The sessions in the accounts of targets."""

    def verify(self, target: Target) -> None:
        """Check that the credentials of a target belong to its account. Called in a thread; raises DynConfigError."""

    def forget(self, name: str) -> None:
        """Forget a target that no longer exists."""


class Targets:
    """All AWSTargets of the cluster, by name."""

    def __init__(self, changed: Callable[[str], None] = lambda _name: None) -> None:
        """`changed` is called with the name of a target whose spec or readiness changed."""
        self._documents: dict[str, Document] = {}
        self._listeners = [changed]
        self.unreadable = ""
        """Why the operator cannot list the targets any more, so that those known before are not trusted; empty if it can."""
        self.is_listed = False
        """Whether all targets are known, or the operator cannot list them."""
        self.changes = asyncio.Event()
        """Set when a target was created, changed or deleted, or got its first object."""
        self._expected: set[str] = set()

    def on_change(self, changed: Callable[[str], None]) -> None:
        """Call this, too, with the name of a target that changed or was deleted; before all others."""
        self._listeners.insert(0, changed)

    def notify(self, name: str) -> None:
        """Report a change of a target, or of what is known about its account."""
        for changed in self._listeners:
            changed(name)

    def object_needs(self, name: str) -> None:
        """Wake the checks, since this object may be the first of a target: once until `forget_needs`."""
        if name not in self._expected:
            self._expected.add(name)
            self.changes.set()

    def forget_needs(self) -> None:
        """Let the next object of each target wake the checks again."""
        self._expected.clear()

    def set_unreadable(self, why: str) -> None:
        """Record that the targets cannot be listed; or, if empty, that they were."""
        if bool(self.unreadable) != bool(why):
            self.unreadable = why
            for name in self:
                self.notify(name)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._documents))

    def get(self, name: str) -> Document | None:
        """Return a target, or None if it does not exist."""
        return self._documents.get(name)

    def is_terminating(self, name: str) -> bool:
        """Whether a target is being deleted, so that it accepts no new objects."""
        document = self._documents.get(name)
        return document is not None and "deletionTimestamp" in document["metadata"]

    def put(self, document: Document) -> None:
        """Add or replace a target."""
        name = document["metadata"]["name"]
        before, self._documents[name] = self._documents.get(name), document
        self.changes.set()
        if before is None or _essence(before) != _essence(document):
            self.notify(name)

    def replace(self, before: Document, document: Document) -> None:
        """Replace a target with the answer to a write, unless the watch has delivered another version or its end since."""
        if self._documents.get(before["metadata"]["name"]) is before:
            self.put(document)

    def remove(self, name: str) -> None:
        """Remove a deleted target."""
        if self._documents.pop(name, None) is not None:
            self.changes.set()
            self.notify(name)

    def keep(self, present: set[str]) -> None:
        """After a full list, remove all targets that are not in it."""
        for name in self._documents.keys() - present:
            self.remove(name)


def _essence(document: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what objects that use a target depend on."""
    metadata, conditions = document["metadata"], (document.get("status") or {}).get("conditions") or ()
    return metadata["uid"], metadata.get("generation"), *((item["type"], item["status"]) for item in conditions)


def _version(document: Document) -> tuple[str, int]:
    """Return UID and generation."""
    return str(document["metadata"]["uid"]), int(document["metadata"].get("generation", 1))


def is_kept(document: Mapping[str, Any]) -> bool:
    """Return whether a target has the operator's finalizer."""
    return names.TARGET_FINALIZER in (document["metadata"].get("finalizers") or ())


async def list_all(kube: Kube, targets: Targets) -> None:
    """List all targets once; `watch` reports a failure, and tries again."""
    with suppress(ApiUnavailable, ApiRefused):
        await _list(kube, targets)


async def watch(kube: Kube, targets: Targets, unreadable: Unreadable, sleep: Sleep = asyncio.sleep) -> None:
    """Watch the targets until cancelled. If their definition is not installed, or denied, try again every minute."""
    backoff, loop, version, was_skipped = WatchBackoff(), asyncio.get_running_loop(), "", False
    skipped = SkippedChanges(lambda: unreadable(KINDS))
    while True:
        began, is_failed = float("inf"), False
        try:
            version = version or await _list(kube, targets)
            began, was_skipped = loop.time(), False
            async with skipped.expiring():
                version = await _follow(kube, targets, version, skipped.add)
        except WatchExpired:
            version = ""
        except (ApiUnavailable, ApiRefused) as error:
            version, is_failed = "", True
            is_skipped = isinstance(error, ApiRefused) and error.status in (FORBIDDEN, NOT_FOUND)
            targets.is_listed = targets.is_listed or is_skipped
            if not is_skipped:
                log.warning("Watch of %s failed, retrying: %s", KINDS, error)
            elif was_skipped:
                targets.set_unreadable(str(error))
            else:
                log.warning("%s are not used: the operator cannot list them. Apply its CRDs and RBAC: %s", KINDS, error)
            was_skipped = is_skipped
        await sleep(backoff.delay(loop.time() - began, is_failed=is_failed))


async def _list(kube: Kube, targets: Targets) -> str:
    version, present = "", set[str]()
    async with kube.target_pages() as pages:
        async for page in pages:
            version = page["metadata"]["resourceVersion"]
            async for document in page["items"]:
                present.add(document["metadata"]["name"])
                targets.put(document)
    targets.keep(present)
    targets.is_listed = True
    targets.set_unreadable("")
    return version


async def _follow(kube: Kube, targets: Targets, version: str, skipped: Callable[[], None]) -> str:
    """Record all changes until the server closes the watch; return the resourceVersion to continue from."""
    watch = kube.watch_targets(version)
    async for event, document in watch.changes():
        if event == UNREADABLE:
            log.error("Skipped a change of one of the %s that cannot be parsed; listing all of them soon", KINDS)
            skipped()
            continue
        if event == DELETED:
            targets.remove(document["metadata"]["name"])
        else:
            targets.put(document)
    return watch.version


class TargetChecks:
    """Checks the account of each target after a change and every ten minutes; more often while a check fails."""

    def __init__(
        self,
        kube: Kube,
        targets: Targets,
        accounts: Accounts,
        now: Callable[[], float],
        clock: Callable[[], float],
        *,
        using: UsersOf,
    ) -> None:
        self._using = using
        self._kube = kube
        self._targets = targets
        self._accounts = accounts
        self._now = now
        self._clock = clock
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="target")
        self._running: dict[str, asyncio.Task[None]] = {}
        """By name: a target that does not answer delays the checks of no other one."""
        self._due: dict[str, tuple[tuple[str, int], float, int]] = {}
        """By name: the uid and generation that was checked, when it is checked again, and how often it failed in succession."""
        self._terminating: dict[str, tuple[str, float]] = {}
        """By name: the uid of a target that is being deleted, and when that was first seen."""
        self._unwritten: set[str] = set()
        """Names of targets whose finalizer could not be written."""

    async def run(self, fence: Fence) -> None:
        """Check all targets until cancelled, and write their status while the lease of this replica lasts."""
        self._due.clear()
        with fence.within():
            try:
                while True:
                    self._targets.changes.clear()
                    self._begin()
                    await self._wait()
            finally:
                running = tuple(self._running.values())
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def check(self) -> None:
        """Check all targets that are due, and return when all checks have ended."""
        await asyncio.gather(*self._begin())

    def _begin(self) -> Iterable[asyncio.Task[None]]:
        """Begin the checks of all targets that are due; return those in progress."""
        for name in self._due.keys() - set(self._targets):
            del self._due[name]
            self._unwritten.discard(name)
            self._terminating.pop(name, None)
        for name in () if self._targets.unreadable else self._targets:
            if name not in self._running and (document := self._due_document(name)) is not None:
                task = self._running[name] = asyncio.create_task(self._check_due(name, document), name=f"check {name}")
                task.add_done_callback(partial(self._ended, name))
        return tuple(self._running.values())

    def _ended(self, name: str, _task: asyncio.Task[None]) -> None:
        del self._running[name]
        self._targets.changes.set()

    async def _wait(self) -> None:
        """Wait for a change, or until a target is due, or some seconds, since its first object may have been created."""
        waiting = [at for name, (_of, at, _failures) in self._due.items() if name not in self._running]
        delay = None if not waiting else min(max(min(waiting) - self._clock(), 0.0), USERS_SECONDS)
        # Unlike wait_for, it is always cancelled: https://github.com/python/cpython/issues/86296
        try:
            async with asyncio.timeout(USERS_SECONDS if self._targets.unreadable else delay):
                await self._targets.changes.wait()
        except TimeoutError:
            # However many objects need targets, they wake the checks no more often.
            self._targets.forget_needs()

    def _due_document(self, name: str) -> Document | None:
        """Return a target that is due; None if it is not, or does not exist."""
        document = self._targets.get(name)
        if document is None:
            return None
        of = _version(document)
        known, at, _failures = self._due.get(name, (of, 0.0, 0))
        is_due = known != of or self._clock() >= at or self._is_to_be_kept_or_released(document)
        return document if is_due else None

    async def _check_due(self, name: str, document: Document) -> None:
        of = _version(document)
        known, _at, failures = self._due.get(name, (of, 0.0, 0))
        failures = 0 if await self._check_safely(document) else (failures if known == of else 0) + 1
        retry = (
            min(FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 10), LONGEST_RETRY_SECONDS) if failures else CHECK_SECONDS
        )
        self._due[name] = (of, self._clock() + retry, failures)

    def _is_to_be_kept_or_released(self, document: Document) -> bool:
        """Whether the finalizer does not fit the objects that use the target; if it cannot be written, the retry does."""
        name = document["metadata"]["name"]
        users = None if name in self._unwritten else self._using(name, is_one_enough=True)
        return users is not None and is_kept(document) != self._keeps(document, users)

    def _keeps(self, document: Document, users: Users) -> bool:
        """Whether a target needs the finalizer: it has users, or, if it has the finalizer already, may have unknown ones."""
        is_certain = self._is_known_to_start_nothing(document) and users.is_complete
        return bool(users.keys) or (is_kept(document) and not is_certain)

    def _is_known_to_start_nothing(self, document: Document) -> bool:
        """Whether no object can be about to record a target that is being deleted as its place."""
        metadata, now = document["metadata"], self._clock()
        name, uid = str(metadata["name"]), str(metadata["uid"])
        if "deletionTimestamp" not in metadata:
            # It is kept again as soon as an object uses it.
            return True
        known, since = self._terminating.get(name, (uid, now))
        since = since if known == uid else now
        self._terminating[name] = uid, since
        return now - since >= RELEASE_SECONDS

    async def _check_safely(self, document: Document) -> bool:
        """As `_check`, but an unexpected exception only fails the check of this target."""
        try:
            return await self._check(document)
        except Exception as failure:  # noqa: BLE001 - one target must not stop the checks of the others
            log.error("Checking AWSTarget %s failed (operator bug):\n%s", document["metadata"]["name"], trace(failure))
            return False

    async def _check(self, document: Document) -> bool:
        """Check a target and write its status; return whether both succeeded. Keep a deleted one while objects use it."""
        name, checked = document["metadata"]["name"], Target("", "", "")
        users = self._using(name)
        if users is None:
            return False
        is_deleted = "deletionTimestamp" in document["metadata"]
        self._unwritten.add(name)
        try:
            document = await self._with_finalizer(document, is_wanted=self._keeps(document, users))
        except (ApiUnavailable, ApiConflict, ApiRefused, LeaseLost) as error:
            log.warning("Cannot write the finalizer of AWSTarget %s, retrying: %s", name, error)
            return False
        self._unwritten.discard(name)
        if is_deleted:
            # Checked again soon, as after a failure.
            return not is_kept(document) or (await self._report(document, checked, users) and False)
        return await self._check_account(document, users)

    async def _with_finalizer(self, document: Document, *, is_wanted: bool) -> Document:
        """Add or remove the finalizer; return the target."""
        if is_kept(document) == is_wanted:
            return document
        metadata = document["metadata"]
        known = metadata.get("finalizers") or []
        wanted = [name for name in known if name != names.TARGET_FINALIZER] + [names.TARGET_FINALIZER] * is_wanted
        patch = {"metadata": {"finalizers": wanted, "resourceVersion": metadata["resourceVersion"]}}
        written = await self._kube.patch_target(metadata["name"], patch)
        self._targets.replace(document, written)
        return written

    async def _check_account(self, document: Document, users: Users) -> bool:
        checked: Target | DynConfigError
        try:
            checked = Target.of(str(document["metadata"]["name"]), parse_target(document))
            loop, within = asyncio.get_running_loop(), copy_context().run
            await loop.run_in_executor(self._threads, within, self._accounts.verify, checked)
        except DynConfigError as error:
            checked = error
        except LeaseLost:
            return False
        return await self._report(document, checked, users) and isinstance(checked, Target)

    async def _report(self, document: Document, checked: Target | DynConfigError, users: Users) -> bool:
        name = document["metadata"]["name"]
        found = target_status.status(
            document, checked, users.keys, self._now(), is_complete=users.is_complete, more=users.more
        )
        if found is None:
            return True
        try:
            # The UID makes the write fail if the target was deleted and created again.
            patch = {"metadata": {"uid": document["metadata"]["uid"]}, "status": found}
            self._targets.replace(document, await self._kube.patch_target_status(name, patch))
        except (ApiUnavailable, ApiConflict, ApiRefused, LeaseLost) as error:
            log.warning("Cannot write the status of AWSTarget %s, retrying: %s", name, error)
            return False
        ready = found["conditions"][0]
        level = logging.INFO if isinstance(checked, Target) else logging.WARNING
        log.log(level, "AWSTarget %s: %s: %s", name, ready["reason"], ready["message"])
        return True

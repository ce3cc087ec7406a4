"""One Lease for each shard: a replica acquires free shards, renews their leases, and gives surplus shards to other replicas.

As client-go's leader election: a lease has expired when its holder has not renewed it for its duration, counted on the own
monotonic clock from when the last renewal was observed, so that clocks of different machines are never compared.
https://kubernetes.io/docs/concepts/architecture/leases/
https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Document, Kube
from dynconfig.kube.lease_documents import SHARDS, UNFINISHED, ObservedLease, closed, has_same_term, unfinished
from dynconfig.kube.lease_watch import REPLICA, SHARD, watch_freed
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig.model.timestamps import precise_timestamp
from dynconfig.model.uninterrupted import finished

log = logging.getLogger(__name__)

# How long running reconciles have to end by themselves when a shard is given away; then their next request is refused.
GRACE_SECONDS = 1.0
# Leases of replicas that ended are deleted after so many durations.
FORGOTTEN_DURATIONS = 20


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Times in seconds; the names are those of client-go."""

    duration: float
    """How long others wait after the last renewal that they observed."""
    renew_deadline: float
    """How long the holder tries to renew before it gives the shard up."""
    retry_period: float
    """Between two renewals."""

    @property
    def call_seconds(self) -> float:
        """The longest time that a request may take, so that several renewals may fail before writes pause."""
        return self.duration * 8 / 15

    @property
    def silence(self) -> float:
        """How long the main event loop may not answer. The kubelet needs longer to restart a container whose probe fails."""
        return self.duration * 2


class ShardUser(Protocol):
    """Serves the objects of the shards that this replica holds. What a method raises ends `Leases.run`."""

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard; `is_whole`: no holder is known to have finished the work on its objects, so all are observed now."""

    def ending(self, shard: int) -> None:
        """Start no more reconciles in a shard; running ones end after their current write."""

    async def ended(self, shard: int) -> bool:
        """Return when no reconcile of a shard is running: whether changes in AWS or of Secrets are left to the next holder."""

    async def lost(self, shard: int) -> None:
        """Forget what is remembered of the objects of a shard, which another replica may write by now."""


@dataclass(slots=True)
class _Held:
    fence: Fence
    document: Document
    renewed_at: float
    sent: tuple[str, float] = ("", 0.0)
    """The renewTime of the last renewal that was sent, and when it was sent."""

    def observe(self, document: Document, duration: float) -> None:
        """Record the lease as the API server stores it; it may have stored a renewal whose answer came too late."""
        self.document = document
        time, at = self.sent
        if document["spec"].get("renewTime") == time:
            self.renewed_at = at
            self.fence.extend(at + duration)


class Leases:
    """The leases of one replica."""

    def __init__(
        self,
        kube: Kube,
        user: ShardUser,
        times: LeaseTimes,
        *,
        shards: int,
        identity: str,
        namespace: str,
        silence: Callable[[], float],
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Create the leases of a replica.

        `silence` returns for how long the event loop that serves the objects has not answered, in seconds. `clock` is monotonic
        and counts while the machine sleeps, `now` is the time of day.
        """
        self._kube = kube
        self._user = user
        self._times = times
        self._count = shards
        self._identity = identity
        self._namespace = namespace
        self._silence = silence
        self._clock = clock
        self._now = now
        self._observed: dict[str, ObservedLease] = {}
        self._held: dict[int, _Held] = {}
        self._acquiring: dict[int, bool] = {}
        """The shards whose lease may have been written for this replica although it does not serve them, and whether all of their
        objects have to be observed."""
        self._releasing: dict[int, asyncio.Task[None]] = {}
        """The end of each shard that is given away or was lost; one that failed stays here, and ends `run`."""
        self._changed = asyncio.Event()
        """Set when the next step should not wait: a lease was released, or the end of a shard failed."""
        self._presence_at = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._stepping: asyncio.Task[Any] | None = None
        self._last_failure = ""
        self._waits_for = ""

    @property
    def held(self) -> frozenset[int]:
        """The shards that this replica serves."""
        return frozenset(self._held) - self._releasing.keys()

    def former_shards(self) -> tuple[int, ...]:
        """Return the shards that exist no longer, since the number of shards was reduced; callable from any thread."""
        numbers = [int(found[1]) for name in tuple(self._observed) if (found := SHARD.fullmatch(name))]
        return tuple(sorted(number for number in numbers if number >= self._count))

    async def forget(self, shard: int) -> None:
        """Delete the lease of a shard that exists no longer."""
        await self._delete(f"dynconfig-shard-{shard}")

    async def run(self) -> None:
        """Acquire and renew until closed or cancelled. Raises what `user` raised: a shard would be served by no replica."""
        self._running = asyncio.current_task()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_freed(self._kube, self._namespace, self._changed.set), name="watch of leases")
            tasks.create_task(self._keep(), name="steps")

    async def _keep(self) -> None:
        while True:
            await self._wait_for_step()
            self._raise_failures()
            await self.step()

    def _raise_failures(self) -> None:
        """Raise the exception of an end of a shard that failed."""
        for shard, end in self._releasing.items():
            if end.cancelled():
                raise AssertionError(f"the end of shard {shard} was cancelled")
            if end.done():
                end.result()

    async def _wait_for_step(self) -> None:
        """Wait for half of the retry period, or until another replica released a lease."""
        period = self._times.retry_period
        with suppress(TimeoutError):
            # Jitter, so that replicas that acquire at the same time do not do so for ever.
            async with asyncio.timeout(period * random.uniform(0.4, 0.6)):  # noqa: S311 - not a secret
                await self._changed.wait()
                await asyncio.sleep(period * random.uniform(0.0, 0.05))  # noqa: S311 - not a secret
        self._changed.clear()

    async def step(self) -> None:
        """Renew the leases that are due, and acquire free ones; a failure is logged, and the next step tries again."""
        self._stepping = asyncio.current_task()
        if (silence := self._silence()) > self._times.silence:
            for shard in self.held:
                self._lose(shard, f"the main event loop has not answered for {silence:.0f} s")
            return
        try:
            await self._renew()
            await self._list()
            await self._share()
        except (ApiUnavailable, ApiConflict, ApiRefused) as error:
            self._log_failure(str(error))
        else:
            self._last_failure = ""
        self._give_up_overdue()

    async def close(self) -> None:
        """Release all shards, so that others need not wait until the leases expire.

        Raises what `user` raised in an ExceptionGroup, when all other shards are released.
        """
        # Renewals would change the leases that are released.
        if active := {task for task in (self._running, self._stepping) if task is not None}:
            for task in active:
                task.cancel()
            await asyncio.wait(active)
        await self._release_acquired()
        for shard in self.held:
            self._begin_end(shard, self._released(shard))
        # Those that count this replica would take too few shards.
        uncounted = [self._delete(self._replica)] if self._count > 1 else []
        results = await asyncio.gather(*self._releasing.values(), *uncounted, return_exceptions=True)
        if failures := [result for result in results if result is not None]:
            raise BaseExceptionGroup("not all shards were ended", failures)

    async def _release_acquired(self) -> None:
        """Release the leases that were being acquired, and whose shards were never served."""
        try:
            listed = await self._kube.leases(self._namespace, self._timeout) if self._acquiring else []
        except (ApiUnavailable, ApiRefused) as error:
            log.warning("Leases that were being acquired expire by themselves: %s", error)
            return
        for document in listed:
            found = SHARD.fullmatch(document["metadata"]["name"])
            is_whole = self._acquiring.get(int(found[1])) if found else None
            if is_whole is not None and document["spec"].get("holderIdentity") == self._identity:
                await self._empty(unfinished(document) if is_whole else document)

    def _begin_end(self, shard: int, end: Coroutine[Any, Any, None]) -> None:
        """Start to end a shard; until it has ended, it is not acquired again. A failure ends `run`."""
        task = self._releasing[shard] = asyncio.create_task(end, name=f"end of shard {shard}")
        task.add_done_callback(partial(self._ended, shard))

    def _ended(self, shard: int, end: asyncio.Task[None]) -> None:
        if not end.cancelled() and end.exception() is None:
            del self._releasing[shard]
        else:
            self._changed.set()

    async def _renew(self) -> None:
        """Renew the leases that are due."""
        now = self._clock()
        due = [held for held in self._held.values() if now >= held.renewed_at + self._times.retry_period * 0.9]
        await asyncio.gather(*map(self._renew_one, due))

    async def _renew_one(self, held: _Held) -> None:
        held.sent = precise_timestamp(self._now()), self._clock()
        spec = {**held.document["spec"], "renewTime": held.sent[0]}
        try:
            renewed = await self._kube.replace_lease(self._namespace, {**held.document, "spec": spec}, self._timeout)
        except ApiConflict:
            # Written by someone else: the list shows whether there is another holder.
            return
        except (ApiUnavailable, ApiRefused) as error:
            self._log_failure(f"the lease of shard {held.fence.shard} was not renewed: {error}")
            return
        held.observe(renewed, self._times.duration)

    async def _list(self) -> None:
        """List all leases, and give up shards that have another holder."""
        listed = await self._kube.leases(self._namespace, self._timeout)
        now, found = self._clock(), dict[str, ObservedLease]()
        for document in listed:
            name, version = document["metadata"]["name"], document["metadata"]["resourceVersion"]
            if not SHARD.fullmatch(name) and not name.startswith(REPLICA):
                continue
            document["spec"] = document.get("spec") or {}
            known = self._observed.get(name)
            is_same = known is not None and known.document["metadata"]["resourceVersion"] == version
            found[name] = known if known and is_same else ObservedLease(document, now)
        self._observed = found
        for shard, held in tuple(self._held.items()):
            current = found.get(f"dynconfig-shard-{shard}")
            if current is not None and current.holder == self._identity:
                held.observe(current.document, self._times.duration)
            elif shard not in self._releasing:
                holder = f"held by {current.holder or 'no replica'}" if current else "deleted"
                self._lose(shard, f"its lease is {holder}")

    def _give_up_overdue(self) -> None:
        now = self._clock()
        for shard, held in tuple(self._held.items()):
            if shard not in self._releasing and now > held.renewed_at + self._times.renew_deadline:
                self._lose(shard, f"its lease was not renewed for {now - held.renewed_at:.0f} s")

    def _lose(self, shard: int, because: str) -> None:
        log.warning("Lost shard %d: %s. Its running reconciles end before their next write", shard, because)
        self._held.pop(shard).fence.revoke()
        self._user.ending(shard)
        self._begin_end(shard, self._forgotten(shard))

    async def _forgotten(self, shard: int) -> None:
        """Forget a lost shard once its running reconciles have ended."""
        await self._user.ended(shard)
        await self._user.lost(shard)

    async def _share(self) -> None:
        """Announce this replica, give surplus shards away, and acquire free ones."""
        now = self._clock()
        others = self._live(now, (name for name in self._observed if not name.startswith(REPLICA)))
        different = sorted({found.holder for found in others if found.shards != str(self._count)})
        if different:
            self._wait(f"{', '.join(different)} counts another number of shards and has not ended")
            return
        most = self._count
        if self._count > 1:
            await self._announce(now)
            replicas = self._live(now, (name for name in self._observed if name.startswith(REPLICA)))
            most = -(-self._count // (1 + sum(found.shards == str(self._count) for found in replicas)))
        surplus = sorted(self.held)[most:]
        for shard in surplus:
            log.info("Giving shard %d away: each of the replicas takes at most %d", shard, most)
            self._begin_end(shard, self._released(shard))
        if await self._close_others():
            await self._acquire(now, most)
        await self._forget_replicas(now)

    async def _close_others(self) -> bool:
        """Close what replicas left that counted another number of shards; return whether shards may be acquired now.

        Their shards are other sets of objects. If that number returns, they are not finished: others served these meanwhile.
        """
        shards = [found for name, found in self._observed.items() if SHARD.fullmatch(name)]
        left = [found for found in shards if found.shards != str(self._count) and not found.is_unfinished]
        failures = [
            error for error in await asyncio.gather(*map(self._close_one, left), return_exceptions=True) if error
        ]
        for error in failures:
            if not isinstance(error, ApiConflict):
                raise error
        if failures:
            # Another replica was faster: the next list shows what it wrote.
            self._changed.set()
        return not failures

    async def _close_one(self, found: ObservedLease) -> None:
        document = await self._kube.replace_lease(self._namespace, closed(found.document), self._timeout)
        self._observed[document["metadata"]["name"]] = ObservedLease(document, self._clock())

    async def _acquire(self, now: float, most: int) -> None:
        holders = list[str]()
        # Replicas begin at different shards, so that they seldom try to acquire the same one.
        first = sum(self._identity.encode()) % self._count
        for shard in sorted(range(self._count), key=lambda shard: (shard - first) % self._count):
            observed = self._observed.get(f"dynconfig-shard-{shard}")
            if shard in self._held or shard in self._releasing:
                continue
            if observed is not None and self._is_others(observed, now):
                holders.append(observed.holder)
            elif len(self._held) < most:
                await self._acquire_one(shard, observed)
        if not self._held and holders:
            self._wait(f"{', '.join(sorted(set(holders)))} serves all objects")

    async def _acquire_one(self, shard: int, observed: ObservedLease | None) -> None:
        before, wall = self._clock(), precise_timestamp(self._now())
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._times.duration),
            "acquireTime": wall,
            "renewTime": wall,
            "leaseTransitions": (observed.document["spec"].get("leaseTransitions") or 0) + 1 if observed else 0,
        }
        previous = observed.holder if observed else ""
        is_whole = self._acquiring[shard] = observed is None or not observed.is_finished(self._count)
        try:
            document = await self._write(f"dynconfig-shard-{shard}", spec, observed)
        except ApiConflict:
            # Another replica was faster.
            return
        if await self._is_disputed():
            await self._empty(unfinished(document) if is_whole else document)
            return
        del self._acquiring[shard]
        fence = Fence(shard, self._clock, self._times.call_seconds, before + self._times.duration)
        self._held[shard] = _Held(fence, document, before)
        expired = f"; {previous} did not renew its lease" if previous not in ("", self._identity) else ""
        log.info("Serving shard %d of %d%s", shard, self._count, expired)
        self._waits_for = ""
        self._user.acquired(fence, is_whole=is_whole)

    async def _is_disputed(self) -> bool:
        """Whether a replica that counts another number of shards acquired one at the same time: then both step back."""
        await self._list()
        others = self._live(self._clock(), (name for name in self._observed if not name.startswith(REPLICA)))
        return any(found.shards != str(self._count) for found in others)

    async def _released(self, shard: int) -> None:
        """End the reconciles of a shard, then release its lease; if the end fails, the lease is left to expire."""
        held = self._held[shard]
        try:
            self._user.ending(shard)
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    is_unfinished = await self._user.ended(shard)
            except TimeoutError:
                held.fence.revoke()
                is_unfinished = await self._user.ended(shard)
        finally:
            held.fence.revoke()
        self._held.pop(shard, None)
        if is_unfinished:
            # The events were taken from the queue: only a look at all objects finds what they were about.
            held.document = unfinished(held.document)
        await self._empty(held.document)
        log.info("Released shard %d", shard)
        # Takes a while if there are many objects, and changes nothing that another replica serves.
        await self._user.lost(shard)

    async def _empty(self, document: Document) -> None:
        """Release a lease; if that fails, it expires by itself."""
        name = document["metadata"]["name"]
        try:
            try:
                await self._write_empty(document)
            except ApiConflict:
                # A renewal was stored whose answer was not awaited, or came too late.
                for current in await self._kube.leases(self._namespace, self._timeout):
                    if current["metadata"]["name"] == name and has_same_term(current, document):
                        version = current["metadata"]["resourceVersion"]
                        await self._write_empty(
                            {**document, "metadata": {**document["metadata"], "resourceVersion": version}}
                        )
        except (ApiUnavailable, ApiConflict, ApiRefused) as error:
            log.warning("The lease %s was not released and expires by itself: %s", name, error)

    async def _write_empty(self, document: Document) -> None:
        spec = {**document["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        await self._kube.replace_lease(self._namespace, {**document, "spec": spec}, self._timeout)

    async def _announce(self, now: float) -> None:
        """Renew the lease by which other replicas count this one."""
        if now < self._presence_at + self._times.retry_period:
            return
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._times.duration),
            "renewTime": precise_timestamp(self._now()),
        }
        await self._write(self._replica, spec, self._observed.get(self._replica))
        self._presence_at = now

    async def _forget_replicas(self, now: float) -> None:
        """Delete the leases of replicas that are long gone; the holder of the first shard does so."""
        oldest = now - FORGOTTEN_DURATIONS * self._times.duration
        for name, found in self._observed.items() if 0 in self._held else ():
            if name.startswith(REPLICA) and found.at < oldest:
                await self._delete(name)

    async def _write(self, name: str, spec: dict[str, Any], observed: ObservedLease | None) -> Document:
        """Create or replace a lease. Raises ApiConflict if someone else wrote it since it was observed."""
        metadata: dict[str, Any] = {**(observed.document["metadata"] if observed else {"name": name})}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), SHARDS: str(self._count)}
        metadata["annotations"].pop(UNFINISHED, None)
        metadata["labels"] = {**(metadata.get("labels") or {}), **Kube.LEASE_LABELS}
        document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        send = self._kube.replace_lease if observed else self._kube.create_lease
        # If it were cancelled, it might be stored after the lease was released.
        written = await finished(send(self._namespace, document, self._timeout))
        self._observed[name] = ObservedLease(written, self._clock())
        return written

    async def _delete(self, name: str) -> None:
        try:
            await self._kube.delete_lease(self._namespace, name, self._timeout)
        except (ApiUnavailable, ApiRefused, LeaseLost) as error:
            # Others are deleted behind the fence of the shard whose sweep does so.
            log.debug("The lease %s was not deleted: %s", name, error)

    def _live(self, now: float, leases: Iterable[str]) -> list[ObservedLease]:
        """Return the leases of other replicas that have not expired."""
        return [found for name in leases if self._is_others(found := self._observed[name], now)]

    def _is_others(self, observed: ObservedLease, now: float) -> bool:
        """Whether another replica holds a lease. One with the identity of this replica is left from before its restart."""
        return observed.holder != self._identity and observed.is_live(now, self._times.duration)

    @property
    def _replica(self) -> str:
        return REPLICA + re.sub("[^a-z0-9-]+", "-", self._identity.lower())[:200].strip("-")

    @property
    def _timeout(self) -> float:
        """Timeout of one request, in seconds: a second attempt must fit into the renew deadline."""
        return self._times.renew_deadline / 3

    def _wait(self, because: str) -> None:
        """Log once for what this replica waits."""
        if because != self._waits_for:
            log.info("On standby: %s", because)
        self._waits_for = because

    def _log_failure(self, message: str) -> None:
        if message != self._last_failure:
            log.warning("Leases: %s", message)
        self._last_failure = message


def identity(pod: str, host: str, unique: str) -> str:
    """Return the identity of a replica: the pod, whose restarted container resumes its leases, or else one of its own."""
    return pod or f"{host}_{unique}"

"""The place of one point of the sweep: a namespace and its objects, foreign resources beside them, and what holds afterwards."""

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from tests.e2e.world import GROUP, World
from tests.faults import foreign
from tests.faults.account import Account, Item
from tests.faults.operator import KEYS, Killer, Operator

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.call_log import LoggedCall
from dynconfig_lab.aws.faults import Hold
from dynconfig_lab.processes import INTERVAL
from dynconfig_lab.stack import Stack

PATIENCE = 180.0
"""How long a point may take to converge, in seconds; the backoff of the operator ends at one minute."""
ANY = "*"
"""Any operation."""
# Data points are no resources, and drift lasts as long as it lasts.
_DATA = ("cloudwatch.PutMetricData",)

_numbers = itertools.count(1)

Document = dict[str, Any]
State = list[tuple[str, str, str, str]]
"""Kind, name, owner and content of each resource."""


class NotConverged(AssertionError):
    """A condition of the sweep does not hold."""


@dataclass(frozen=True)
class Site(World):
    """A namespace with foreign resources beside it."""

    account: Account
    before: tuple[Item, ...]
    """What was in AWS before the first object, foreign resources included."""
    mark: int
    """The number of the last call before the first object."""
    killers: list[Killer] = field(default_factory=list)
    """The last one is at work."""

    @property
    def operator(self) -> Operator:
        """The operator."""
        return Operator(self.stack)

    def faults(self, **faults: Any) -> None:
        """Set faults for the calls of the operator; without any, end all."""
        self.stack.lab.faults(Faults(access_keys=KEYS, **faults) if faults else Faults())

    def kill_at(self, first: Hold, stride: int = 0) -> Killer:
        """From now on kill each process at one of its writes, as far as `wait` is waiting."""
        killer = Killer(self.operator, first, stride)
        self.let_kill(killer)
        return killer

    def let_kill(self, killer: Killer) -> None:
        """From now on processes are killed by this one, as far as `wait` is waiting."""
        killer.arm()
        self.killers.append(killer)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for a condition; an operator that has died is started again. Raises NotConverged."""
        until = time.monotonic() + seconds
        while True:
            self.revive()
            try:
                if condition():
                    return
            except httpx2.TransportError:
                # The API server is away: it does not hold.
                pass
            if time.monotonic() > until:
                raise NotConverged(f"not in {seconds:.0f} s: {what}; {self.described()}")
            time.sleep(INTERVAL)

    def revive(self) -> None:
        """Start the operator again if it has died."""
        (self.killers[-1] if self.killers else self.operator).revive()

    def objects(self) -> list[Document]:
        """All objects of the namespace."""
        answer = self.http.get(f"{GROUP}/namespaces/{self.namespace}/dynamicconfigs").raise_for_status()
        found: list[Document] = answer.json()["items"]
        return found

    def described(self) -> str:
        """The conditions of all objects, for the report of a point that did not converge."""
        try:
            found = {
                item["metadata"]["name"]: [
                    f"{condition['type']}={condition['status']} {condition['reason']}: {condition.get('message', '')}"
                    for condition in (item.get("status") or {}).get("conditions", ())
                ]
                for item in self.objects()
            }
        except httpx2.HTTPError as error:
            return str(error)
        return json.dumps(found)[:2000]

    def is_settled(self, name: str) -> bool:
        """Whether the newest generation is in sync or rolled back."""
        return self.is_ready(name) or self.condition(name)[1] == "RolledBack"

    def log(self) -> list[LoggedCall]:
        """The writes of the operator since the first object, except for data."""
        calls = self.stack.lab.call_log(self.mark, only_writes=True)
        return [call for call in calls if call.access_key in KEYS and call.operation not in _DATA]

    def items(self) -> list[Item]:
        """What the operator made for the objects of this namespace, and the function that they may attach to."""
        attached = f"{self.namespace}-{foreign.ATTACHED}"
        return [item for item in self.account.items() if self._is_ours(item) or item.name == attached]

    def state(self) -> State:
        """The same, with the same names for each namespace."""
        found = [(item.kind, item.name, item.object, item.content) for item in self.items()]
        text = json.dumps(found).replace(self.namespace, "NAMESPACE")
        for item in self.objects():
            text = text.replace(item["metadata"]["uid"], "UID")
        return [tuple(item) for item in json.loads(text)]

    def wait_state(self, expected: State) -> None:
        """Wait until AWS is as expected. Raises NotConverged with what differs."""
        try:
            self.wait("AWS is as without a fault", lambda: self.state() == expected)
        except NotConverged as error:
            found = self.state()
            odd = [f"has {item}" for item in found if item not in expected]
            odd += [f"lacks {item}" for item in expected if item not in found]
            raise NotConverged(f"{error}; {'; '.join(odd)}") from None

    def settle(self) -> None:
        """Wait until every object of the namespace is in sync. Raises NotConverged."""
        for item in self.objects():
            name: str = item["metadata"]["name"]
            self.wait(f"{name} is Ready", lambda name=name: self.is_settled(name))  # type: ignore[misc]

    def clean(self) -> None:
        """Delete the objects, and wait until they do not exist. Raises NotConverged."""
        for item in self.objects():
            self.http.delete(f"{GROUP}/namespaces/{self.namespace}/dynamicconfigs/{item['metadata']['name']}")
        self.wait("the objects are deleted", lambda: not self.objects())

    # --- what holds after every point

    def check(self, *repeated: str) -> None:
        """All that has to hold once the fault is over: in sync, nothing orphaned, nothing doubled, no foreign resource changed.

        Each of these operations may have been repeated once, because a process died in it or its answer was lost, and
        twice if it is named twice; ANY means all. Raises NotConverged.
        """
        self.settle()
        items = self.account.items()
        faults = [*self.orphans(items), *self.doubled(items, repeated), *self.touched(items)]
        if faults:
            raise NotConverged("; ".join(faults))

    def check_steady(self) -> None:
        """A reconcile of each object writes nothing. Raises NotConverged."""
        mark = max((call.number for call in self.stack.lab.call_log(self.mark)), default=self.mark)
        for item in self.objects():
            self.reconcile_now(item["metadata"]["name"])
        more = [f"{call.operation} {call.resource}" for call in self.log() if call.number > mark]
        if more:
            raise NotConverged(f"written although all is in sync: {', '.join(more)}")

    def check_clean(self) -> None:
        """Delete all objects; AWS is as it was before the first one. Raises NotConverged."""
        self.clean()
        items = self.account.items()
        left = [item for item in items if not _is_of_listener(item)]
        before = [item for item in self.before if not _is_of_listener(item)]
        odd = [f"left over: {item}" for item in left if item not in before]
        odd += [f"missing or changed: {item}" for item in before if item not in left]
        odd += self.touched(items)
        if odd:
            raise NotConverged("; ".join(odd))
        foreign.remove(self.account, self.namespace, self.path)

    def orphans(self, items: Sequence[Item]) -> Iterator[str]:
        """Resources with the owner tag of an object that does not exist."""
        uids = {item["metadata"]["uid"] for item in self.objects()}
        for item in items:
            if self._is_ours(item) and item.uid not in uids:
                yield f"orphaned: {item} of {item.owner}"

    def doubled(self, items: Sequence[Item], repeated: Sequence[str] = ()) -> Iterator[str]:
        """Resources that exist twice, and writes with the same content that took effect twice."""
        for (kind, name), count in Counter((item.kind, item.name) for item in items if self._is_ours(item)).items():
            if count > 1:
                yield f"{count} of {kind} {name}"
        made = [call for call in self.log() if call.took_effect and not _is_of_queue(call)]
        for content, count in Counter(call.content for call in made).items():
            call = next(call for call in made if call.content == content)
            if count > 1 + sum(operation in (ANY, call.operation) for operation in repeated):
                yield f"{call.operation} {call.resource} made {count} times with the same content"

    def touched(self, items: Sequence[Item]) -> Iterator[str]:
        """Foreign resources that changed, and writes of the operator that name one."""
        now = {(item.kind, item.name, item.owner): item for item in items}
        for item in self.before:
            if foreign.MARK in item.name and now.get((item.kind, item.name, item.owner)) != item:
                yield f"foreign {item} was {item.content}, and is {now.get((item.kind, item.name, item.owner))}"
        for call in self.log():
            if foreign.MARK in call.resource:
                yield f"{call.operation} of the foreign {call.resource}"

    def _is_ours(self, item: Item) -> bool:
        return item.owner.split("/")[1:2] == [self.namespace]


def _is_of_listener(item: Item) -> bool:
    """The event queue and its rules exist as long as some object does, and a while longer."""
    return item.kind in ("Queue", "Rule") and not item.owner and foreign.MARK not in item.name


def _is_of_queue(call: LoggedCall) -> bool:
    service = call.operation.partition(".")[0]
    rules = call.resource.rpartition("-")[2] in ("parameters", "alarms", "calls") and service == "events"
    return service == "sqs" or rules


def site(stack: Stack, http: httpx2.Client, account: Account) -> Site:
    """A new namespace with foreign resources beside it."""
    namespace = f"point-{next(_numbers)}"
    http.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
    path = f"/{namespace}/app"
    stack.lab.faults(Faults())
    foreign.create(account, namespace, path)
    account.client("sqs").create_queue(QueueName="failed")
    last = max(call.number for call in stack.lab.call_log())
    return Site(stack, http, namespace, path, account, tuple(account.items()), last)

"""How much of an AWS quota is used while there is work, and how many calls are throttled: by one replica, and by two."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import count, islice

import httpx2
from benchmarks import limited, load, progress, replicas
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig.model.fence import shard_of
from dynconfig.model.key import Key
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

PARAMETERS = 500
SHARDS = 2
UNUSED, THROTTLED = 5.0, 1.0


def quota(console: Console, _wanted: argparse.Namespace) -> Iterator[Figure]:
    """One object of 500 parameters, and fifty objects of ten."""
    with limited.limited(console) as (stack, http, watch):
        for what, group, objects, parameters in (
            ("one object of 500 parameters", "large", 1, PARAMETERS),
            ("50 objects of 10 parameters", "small", PARAMETERS // load.PARAMETERS, load.PARAMETERS),
        ):
            wanted = load.names(group, objects)
            yield from _measured(console, (stack, http, watch), wanted, parameters, what)


def shared_quota(console: Console, _wanted: argparse.Namespace) -> Iterator[Figure]:
    """Two replicas serve one shard each, with half of the objects."""
    settings = {"DYNCONFIG_SHARDS": str(SHARDS)}
    with limited.limited(console, **settings) as (stack, http, watch), stack.second_operator(replicas.SECOND):
        _wait_until_shared(http)
        each = PARAMETERS // load.PARAMETERS // SHARDS
        of_shards = [_of_shard(shard, each + 1) for shard in range(SHARDS)]
        # The first object of a shard: its replica creates its clients, queue and rules.
        warm = [names[0] for names in of_shards]
        load.apply(http, warm)
        watch.ready(warm)
        # The shards get their objects in turns.
        wanted = [name for names in zip(*of_shards, strict=True) for name in names if name not in warm]
        what = f"2 replicas with a shard each, {each} objects of 10 parameters in each shard"
        yield from _measured(console, (stack, http, watch), wanted, load.PARAMETERS, what)


def _measured(
    console: Console,
    scene: tuple[Stack, httpx2.Client, load.Watch],
    wanted: list[str],
    parameters: int,
    what: str,
) -> Iterator[Figure]:
    stack, http, watch = scene
    limited.enforce(stack)
    with console.status("  measuring what AWS accepts of a caller that never waits"):
        rate = limited.accepted_rate(stack)
    stack.lab.reset_calls()
    total = len(wanted) * parameters
    with progress.counted(console, f"  {what}", total, lambda: stack.calls().get(limited.PUT, 0)):
        load.apply(http, wanted, count=parameters)
        watch.ready(wanted)
    calls = limited.puts(stack)
    accepted = limited.accepted(calls)
    seconds = accepted[-1].time - accepted[0].time
    # AWS's bucket was full: the calls of its first second come on top.
    least = (len(accepted) - limited.RATE) / limited.RATE
    beside = (
        f"{len(accepted)} calls in {seconds:.1f} s; the quota allows {least:.1f} s; boto3 without end: {rate:.2f}/s"
    )
    yield Figure(f"Quota of PutParameter used, {what}", 100 * least / seconds, 100 - UNUSED, "%", beside, is_least=True)
    throttled = len(calls) - len(accepted)
    yield Figure(
        "Calls of these that were throttled", 100 * throttled / len(calls), THROTTLED, "%", f"{throttled} calls"
    )


def _of_shard(shard: int, number: int) -> Sequence[str]:
    """Return names of objects that belong to a shard."""
    names = (f"shared-{index}" for index in count())
    return list(islice((name for name in names if shard_of(Key("default", name), SHARDS) == shard), number))


def _wait_until_shared(http: httpx2.Client) -> None:
    """Wait until each replica holds the lease of one shard."""
    both = {replicas.FIRST, replicas.SECOND}
    if not wait_until(lambda: {replicas.holder(http, shard) for shard in range(SHARDS)} == both, load.PATIENCE):
        raise TimeoutError("the replicas do not share the shards")

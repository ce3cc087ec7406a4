"""`dynconfig status --watch` after a lost watch: it reconnects with backoff and ends on time. tests/e2e has the rest."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import pytest
from tests.kube.api import Answer, Api, api, listed, status

from dynconfig.cli import cluster, watching
from dynconfig.cli.object_status import ObjectStage
from dynconfig.kube.responses import ApiUnavailable


def myapp(ready: str) -> dict[str, Any]:
    """An object that is Ready or not."""
    condition = {"type": "Ready", "status": ready, "reason": "InSync", "message": "as declared"}
    return {
        "metadata": {"namespace": "shop", "name": "myapp", "generation": 1, "resourceVersion": "6"},
        "status": {"observedGeneration": 1, "conditions": [condition]},
    }


def script(*answers: Answer) -> Iterator[Answer]:
    """One after the other, repeating the last."""
    yield from answers
    while True:
        yield answers[-1]


@contextmanager
def following(
    folder: Path, lists: Iterator[Answer], watches: Iterator[Answer], *, seconds: float = 60, pause: float = 0.02
) -> Iterator[tuple[Iterator[str], Api]]:
    """The observed stages of myapp from a server with these responses."""
    with pytest.MonkeyPatch.context() as environment, ExitStack() as open_ones:
        server = open_ones.enter_context(api(lambda path: next(watches if "watch=true" in path else lists)))
        environment.setenv("KUBECONFIG", str(server.kubeconfig(folder)))
        reader = open_ones.enter_context(cluster.reading())
        deadline = time.monotonic() + seconds
        seen = watching.snapshots(reader, (), "shop", everywhere=False, deadline=deadline, pause=pause)
        yield (rows["shop/myapp"].stage for rows in seen), server


def line(event: str, about: dict[str, Any]) -> bytes:
    return json.dumps({"type": event, "object": about}).encode() + b"\n"


@pytest.mark.parametrize(
    "lost",
    [
        (200, b'{"type": "MODIF'),
        (200, line("ERROR", {"code": 500, "message": "etcd is away"})),
        status(410, "too old resource version"),
        status(503, "shutting down"),
        (302, b""),
    ],
    ids=["broken-off", "error", "expired", "unavailable", "elsewhere"],
)
def test_lost_watch_is_restarted_with_a_new_list(tmp_path: Path, lost: Answer) -> None:
    away = status(503, "shutting down")
    lists = script(listed(myapp("Unknown")), listed(myapp("Unknown")), away, listed(myapp("True")))
    with following(tmp_path, lists, script(lost)) as (stages, _server):
        assert [next(stages), next(stages)] == [ObjectStage.WORKING, ObjectStage.READY]


def test_change_between_two_watches_is_received_by_the_next(tmp_path: Path) -> None:
    watches = script((200, b""), (200, line("MODIFIED", myapp("True"))))
    with following(tmp_path, script(listed(myapp("Unknown"))), watches) as (stages, server):
        assert [next(stages), next(stages)] == [ObjectStage.WORKING, ObjectStage.READY]
        # The objects, and the resource version to watch from: a closed watch loses nothing.
        assert len([path for path in server.requests if "watch" not in path]) == 2


@pytest.mark.parametrize("lost", [(200, b""), (200, line("ERROR", {"message": "no"}))], ids=["ended", "error"])
def test_server_that_ends_every_watch_at_once_is_not_overloaded(tmp_path: Path, lost: Answer) -> None:
    lists = script(listed(myapp("Unknown")))
    with following(tmp_path, lists, script(lost), seconds=1, pause=0.4) as (stages, server):
        assert set(stages) == {ObjectStage.WORKING}
        assert len([path for path in server.requests if "watch=true" in path]) <= 4


def test_server_that_stays_unreachable_is_reported_at_the_timeout(tmp_path: Path) -> None:
    away = status(503, "shutting down")
    lists = script(listed(myapp("Unknown")), listed(myapp("Unknown")), away)
    with following(tmp_path, lists, script(away), seconds=0.5) as (stages, _server):
        assert next(stages) is ObjectStage.WORKING
        with pytest.raises(ApiUnavailable, match="returned 503: shutting down"):
            next(stages)


def test_server_that_is_unreachable_at_the_start_is_reported_at_once(tmp_path: Path) -> None:
    away = status(503, "shutting down")
    with following(tmp_path, script(away), script(away)) as (stages, server):
        with pytest.raises(ApiUnavailable, match="returned 503: shutting down"):
            next(stages)
        assert len(server.requests) == 1


def test_object_without_an_operator_is_reported_without_any_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = myapp("Unknown")
    waiting["status"] = {"observedGeneration": 0}
    waiting["metadata"]["creationTimestamp"] = "2027-01-15T08:00:00Z"
    created = datetime.fromisoformat("2027-01-15T08:00:00Z").timestamp()
    moments = chain([created + 5], repeat(created + 60))
    with api(lambda path: (200, b"") if "watch=true" in path else listed(waiting)) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        with cluster.reading() as reader:
            deadline, now = time.monotonic() + 30, lambda: next(moments)
            seen = watching.snapshots(reader, (), "shop", everywhere=False, deadline=deadline, pause=0.02, now=now)
            first, second = (rows["shop/myapp"].message for rows in islice(seen, 2))
    assert "may not be running" not in first
    assert "not reconciled for 60s; the operator may not be running" in second.lower()

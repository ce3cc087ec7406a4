"""Two operators serve the same objects, as during a Deployment rollout: they converge without undoing each other's
work."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kube.apiserver import kube_at
from tests.sequences import account
from tests.sequences.cluster import Document
from tests.sequences.expectation import condition
from tests.sequences.monitor import Monitor
from tests.sequences.reference import PATH, Ghost, wishes
from tests.sequences.wire import Call, Trouble
from tests.sequences.world import Ground, Life, PromptKube, World, ground

from dynconfig.events.signals import Signal
from dynconfig.model.key import Key
from dynconfig.model.writes import PUT

A, B = Key("shop", "a"), Key("shop", "b")
# Both may apply an edit, and one that started before it may restore the old value once.
WRITES_OF_AN_EDIT = 4
HOUR = 3600.0
ROUNDS = 6
# The same value put again, and an owner tag removed again: one more version, and no effect.
WRITTEN_TWICE = ("a version for nothing", "it belongs to no object")


class Pair(World):
    """A world with two independent operators; an AWS event reaches one of them."""

    second: Life | None = None
    _turn = 0

    @property
    def lives_now(self) -> list[Life]:
        """The running operators."""
        return [life for life in (self.life, self.second) if life is not None]

    def run_for(self, seconds: float) -> None:
        """Advance the time for both, in steps that let each react to the other."""
        for _ in range(int(seconds)):
            self.run(1.0)

    def signal(self, name: str) -> None:
        """They share their queue: each event is received by one of them."""
        self._turn += 1
        chosen = self.lives_now[self._turn % 2]
        chosen.controller.router.route([Signal(account.REGION, float(int(self.now)), PUT, parameters=(name,))])

    def rotate(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Both watch Secrets."""
        self.cluster.secrets[namespace, name] = data
        for life in self.lives_now:
            life.controller.references.changed(("Secret", namespace, name), str(self.loop.time()))

    async def _start(self) -> None:
        await super()._start()
        second = self.second = Life(self.loop, kube_at(self._port, client=PromptKube), self.ground, self._skew)
        assert self.life is not None
        first = self.life

        def noticed(document: Document, event: str) -> None:
            first.controller.objects.object_changed(document, event)
            second.controller.objects.object_changed(document, event)

        self.cluster.listener = noticed

    async def _bury(self) -> None:
        second, self.second = self.second, None
        if second is not None:
            await second.end()
        await super()._bury()


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as found:
        yield found


class Play:
    """A pair, and a monitor of its writes."""

    def __init__(self, shared: Ground) -> None:
        shared.lab.clear()
        self.world, self.ghost = Pair(shared), Ghost()
        self.monitor = Monitor(self.world.cluster, self.ghost)
        shared.wire.before, shared.wire.after = self.monitor.before, self.monitor.after
        shared.wire.writes, shared.wire.trouble = [], Trouble.NONE
        self.world.begin()

    def create(self, key: Key, spec: Document) -> None:
        self.world.cluster.create(key, spec)
        self._settled()

    def edit(self, key: Key, spec: Document) -> None:
        self.world.cluster.edit(key, spec)
        self._settled()

    def writes_of(self, act: Any) -> list[Call]:
        """The writes caused by an act, until only resyncs are due."""
        before = len(self.world.wire.writes)
        act()
        self._settled()
        return self.world.wire.writes[before:]

    def reasons(self) -> set[tuple[str, str]]:
        return {condition(document) for document in self.world.cluster.objects.values()}

    def harm(self) -> list[str]:
        """Forbidden writes, except for those explained by the other operator's last write."""
        return [fault for fault in self.monitor.faults if not fault.endswith(WRITTEN_TWICE)]

    def _settled(self) -> None:
        self.ghost.note(wishes(self.world.cluster).values())
        self.world.run_for(12)


@pytest.fixture
def play(shared: Ground) -> Iterator[Play]:
    found = Play(shared)
    yield found
    found.world.end()


def spec(*names: str, value: str = "1", **more: Any) -> Document:
    listed = [{"name": name, "value": value} for name in names]
    return {"path": PATH, "parameters": listed, "adoptionPolicy": "IfUnowned", **more}


def puts(writes: list[Call]) -> list[Call]:
    return [call for call in writes if call.operation == "PutParameter"]


def test_object_and_its_edits_converge_in_a_bounded_number_of_writes(play: Play) -> None:
    play.create(A, spec("p", "q"))
    for number in range(2, 8):
        writes = play.writes_of(lambda number=number: play.world.cluster.edit(A, spec("p", "q", value=str(number))))
        assert {item.value for item in account.parameters().values()} == {str(number)}
        assert len(puts(writes)) <= 2 * WRITES_OF_AN_EDIT
        assert play.reasons() == {("True", "InSync")}
    assert play.harm() == []
    assert play.writes_of(lambda: play.world.run(HOUR)) == []


def test_moved_parameter_keeps_its_version_and_ends_with_the_new_owner(play: Play) -> None:
    play.create(A, spec("moving", "stays"))
    play.create(B, spec("other"))
    versions = {name: item.version for name, item in account.parameters().items()}

    def move(source: Key, target: Key) -> None:
        play.world.cluster.edit(source, spec("stays" if source == A else "other"))
        play.world.cluster.edit(target, spec("other" if target == B else "stays", "moving"))

    for source, target in ((A, B), (B, A), (A, B)):
        writes = play.writes_of(lambda source=source, target=target: move(source, target))
        assert len(writes) <= 2 * WRITES_OF_AN_EDIT
        assert account.parameters()[f"{PATH}/moving"].owner.split("/")[1:3] == ["shop", target.name]
    assert {name: item.version for name, item in account.parameters().items()} == versions
    assert play.harm() == []
    assert play.reasons() == {("True", "InSync")}


def test_drift_is_corrected_once_by_two_operators(play: Play) -> None:
    play.create(A, spec("p"))

    def drift() -> None:
        play.world.aws("ssm").put_parameter(Name=f"{PATH}/p", Value="by hand", Overwrite=True)
        play.world.signal(f"{PATH}/p")

    for _ in range(3):
        writes = play.writes_of(drift)
        assert 1 <= len(writes) <= WRITES_OF_AN_EDIT
        assert account.parameters()[f"{PATH}/p"].value == "1"
    assert play.writes_of(lambda: play.world.run(HOUR)) == []


def test_changed_secret_is_written_and_a_deletion_leaves_nothing(play: Play) -> None:
    play.world.cluster.secrets["shop", "db"] = {"password": "one"}
    secret = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    play.create(A, {"path": PATH, "parameters": [secret, {"name": "p", "value": "1"}]})
    writes = play.writes_of(lambda: play.world.rotate("shop", "db", {"password": "two"}))
    assert 1 <= len(puts(writes)) <= WRITES_OF_AN_EDIT
    assert account.parameters()[f"{PATH}/password"].value == "two"
    play.writes_of(lambda: play.world.cluster.delete(A))
    assert (account.parameters(), play.world.cluster.objects) == ({}, {})
    assert play.harm() == []


def test_object_deleted_and_recreated_at_once_exists(play: Play) -> None:
    play.create(A, spec("p", "q"))
    for _ in range(3):
        play.world.cluster.delete(A)
        play.world.run(0.05)
        while A in play.world.cluster.objects:
            play.world.run(1.0)
        play.create(A, spec("p", "q"))
        # SSM accepts a name again 30 seconds after its deletion.
        # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
        play.world.run_for(40)
        assert set(account.parameters()) == {f"{PATH}/p", f"{PATH}/q"}
        assert play.reasons() == {("True", "InSync")}
    assert play.harm() == []


@pytest.mark.parametrize("seed", range(3))
def test_any_edits_and_moves_end_as_declared(play: Play, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - edits, no secrets
    names = ["p", "q", "r", "s"]
    play.create(A, spec("a", *names))
    play.create(B, spec("b"))
    for _ in range(ROUNDS):
        chance.shuffle(names)
        cut, value = chance.randint(1, 3), str(chance.randint(1, 3))
        edits = [(A, spec("a", *names[:cut], value=value)), (B, spec("b", *names[cut:], value=value))]
        for key, edited in chance.sample(edits, 2):
            play.world.cluster.edit(key, edited)
            play.ghost.note(wishes(play.world.cluster).values())
            play.world.run(chance.choice([0.001, 0.1, 1.0]))
        play.world.run_for(chance.choice([0, 2, 10]))
    play.world.run_for(30)
    assert {name.rpartition("/")[2] for name in account.parameters()} == {"a", "b", *names}
    assert {item.value for item in account.parameters().values()} == {value}
    owned = {name.rpartition("/")[2]: item.owner.split("/")[2] for name, item in account.parameters().items()}
    assert owned == {"a": "a", "b": "b", **dict.fromkeys(names[:cut], "a"), **dict.fromkeys(names[cut:], "b")}
    assert play.reasons() == {("True", "InSync")}
    assert len(play.world.wire.writes) <= ROUNDS * 6 * WRITES_OF_AN_EDIT
    assert play.writes_of(lambda: play.world.run(HOUR)) == []
    # An edit may arrive during a reconcile, which then still releases; nothing declared is ever deleted.
    assert not [fault for fault in play.harm() if fault.startswith("delete")]

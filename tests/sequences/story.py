"""A random sequence of acts of users, AWS and failures on a few objects, determined by a seed, and checked whenever the
operator is idle."""

import random
from dataclasses import dataclass, field

from tests.sequences import account
from tests.sequences.acts import KEYS, NAMES, Acts, copied
from tests.sequences.expectation import Judge, condition
from tests.sequences.monitor import Monitor
from tests.sequences.reference import PATH, Ghost, wishes
from tests.sequences.wire import Trouble
from tests.sequences.world import Ground, World

from dynconfig.api import names

STEPS = 14


@dataclass
class Result:
    """The result of a sequence."""

    seed: int
    steps: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    writes: int = 0
    lives: int = 0

    def described(self) -> str:
        """All details that a developer needs to analyse it."""
        return "\n".join([f"seed {self.seed}", *self.steps, "", *self.faults])


class Story:
    """One sequence. The same seed produces the same sequence."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - not a secret
        # The operator adds random jitter to its waits.
        random.seed(seed)
        ground.lab.clear()
        self.world = World(ground)
        self.ghost = Ghost()
        self.result = Result(seed)
        self._monitor = Monitor(self.world.cluster, self.ghost)
        self._judge = Judge(self.world.cluster, self.ghost)
        self._acts = Acts(self.world, self.ghost, self._dice)
        ground.wire.before, ground.wire.after = self._monitor.before, self._monitor.after
        ground.wire.trouble, ground.wire.writes = Trouble.NONE, []

    def run(self, steps: int = STEPS) -> Result:
        """Run it to its end."""
        for namespace in sorted({key.namespace for key in KEYS}):
            self.world.cluster.secrets[namespace, "creds"] = dict.fromkeys(NAMES, "secret-1")
        self.world.begin()
        try:
            for _ in range(steps):
                self._step()
                if self.result.faults:
                    return self.result
            self._close()
        finally:
            self.world.wire.trouble = Trouble.NONE
            self.world.end()
            self.result.writes, self.result.lives = len(self.world.wire.writes), self.world.lives
        return self.result

    # --- acts

    def _step(self) -> None:
        described = self._acts.draw()
        if described is None:
            return
        self.result.steps.append(f"t={self.world.loop.time():.0f} {described}")
        self.ghost.note(wishes(self.world.cluster).values())
        if self._dice.random() < 0.6:
            self._rest()
        else:
            self.world.run(self._dice.choice((0.001, 0.001, 0.6, 3.0)))
            self._collect()

    def _rest(self) -> None:
        """Wait until the operator is idle, and compare."""
        self.world.wire.trouble = Trouble.NONE
        self.world.settle()
        self.result.steps.append(f"t={self.world.loop.time():.0f} at rest: {self._described()}")
        self._collect()
        self.result.faults += self._judge.faults()
        self._judge.note()

    def _collect(self) -> None:
        self.result.faults += self._monitor.faults
        self._monitor.faults.clear()
        self.result.faults += [f"a bug in the operator: {described}" for described in self.world.ground.journal.bugs]
        self.world.ground.journal.bugs.clear()

    def _described(self) -> str:
        found = self.world.cluster.objects.items()
        return ", ".join(f"{key} {condition(document)[1]}" for key, document in found) or "no object"

    # --- the end: all obstacles are removed

    def _close(self) -> None:
        """Remove all obstacles and require exact equality; then delete everything."""
        self.result.steps.append("-- everything is mended")
        self.world.wire.trouble, self.world.wire.death = Trouble.NONE, None
        self.world.settle()
        for name in account.alarms():
            self._acts.sound(name, "OK")
        self._delete_released_alarms()
        for namespace, name in self.world.cluster.secrets:
            self.world.rotate(namespace, name, dict.fromkeys(NAMES, "secret-end"))
        self._disentangle()
        self._rest()
        self.world.reconcile_all()
        self._rest()
        wrong = [
            f"{key}: {condition(found)}"
            for key, found in self.world.cluster.objects.items()
            if condition(found)[0] != "True"
        ]
        self.result.faults += [f"at the end {fault}" for fault in wrong]
        if not self.result.faults:
            self._check_no_writes()
            self._delete_all()

    def _delete_released_alarms(self) -> None:
        """A user deletes parameters kept by Retain, so that an object of the same name can create them."""
        released = [alarm for alarm in account.alarms().values() if not account.owner_of(alarm)]
        cloudwatch = self.world.aws("cloudwatch")
        # A global obstacle is removed before these.
        for alarm in sorted(released, key=lambda found: not found.is_composite):
            cloudwatch.delete_alarms(AlarmNames=[alarm.name])

    def _disentangle(self) -> None:
        """Each name is declared by one object: its owner or the first; and no foreign name by any."""
        taken: set[str] = {name for name, item in self.ghost.unmanaged.items() if name in account.parameters()}
        owners = {item.name: item.uid for item in account.parameters().values()}
        for key in self._acts.live():
            document = self.world.cluster.objects[key]
            spec, uid = copied(document["spec"]), document["metadata"]["uid"]
            others = {item.uid for item in wishes(self.world.cluster).values()} - {uid}
            spec["parameters"] = [
                item
                for item in spec["parameters"]
                if f"{PATH}/{item['name']}" not in taken and owners.get(f"{PATH}/{item['name']}") not in others
            ]
            taken |= {f"{PATH}/{item['name']}" for item in spec["parameters"]}
            spec.pop("rules", None)
            spec.update(suspend=False, driftPolicy="Correct", adoptionPolicy="IfUnowned", tags={"team": "end"})
            self._acts.apply(key, spec)
            self._acts.annotate(key, names.APPROVE_GENERATION)
        for key, document in self.world.cluster.objects.items():
            if "deletionTimestamp" in document["metadata"]:
                self._acts.apply(key, {**document["spec"], "suspend": False})
        self.ghost.note(wishes(self.world.cluster).values())

    def _check_no_writes(self) -> None:
        """When all is in sync, a reconcile of everything writes nothing, also after a restart."""
        before = len(self.world.wire.writes)
        self.world.reconcile_all()
        self.world.kill()
        self.world.start()
        self.world.reconcile_all()
        more = self.world.wire.writes[before:]
        self.result.faults += [f"all is in sync, and a reconcile writes {call}" for call in more]

    def _delete_all(self) -> None:
        for key in list(self.world.cluster.objects):
            self.world.cluster.delete(key)
        self.result.steps.append("delete everything")
        self._rest()


def play(ground: Ground, seed: int) -> Result:
    """The whole sequence of a seed."""
    return Story(ground, seed).run()

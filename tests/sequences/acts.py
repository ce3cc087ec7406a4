"""What users, AWS and failures may do to a few objects: each act is drawn from the given random source."""

import random
from collections.abc import Callable

from tests.sequences import account
from tests.sequences.cluster import Document
from tests.sequences.expectation import firing
from tests.sequences.reference import PATH, Ghost, wishes
from tests.sequences.wire import Death, Trouble
from tests.sequences.world import World

from dynconfig.api import names
from dynconfig.model.key import Key

KEYS = (Key("shop", "a"), Key("shop", "b"), Key("team", "c"))
NAMES = (*(f"p{number}" for number in range(6)), "s0", "s1")
BAKE = {"bakeTime": "60s", "rollbackOnAlarm": True}
NEVER = {"rule": "size(config) < 0", "message": "never"}
ALARM = {
    "name": "Orders",
    "metric": "Failed",
    "namespace": "Shop",
    "statistic": "Sum",
    "threshold": 5,
    "comparison": "GreaterThanThreshold",
}


class Acts:
    """Each act returns a description of what it did, or None if it was not applicable."""

    def __init__(self, world: World, ghost: Ghost, dice: random.Random) -> None:
        self.world = world
        self._ghost = ghost
        self._dice = dice
        self._values = 0

    def draw(self) -> str | None:
        """One of them, by their weights."""
        acts, weights = zip(*ACTS, strict=True)
        act: Act = self._dice.choices(acts, weights)[0]
        return act(self)

    def create(self) -> str | None:
        free = [key for key in KEYS if key not in self.world.cluster.objects]
        if not free:
            return None
        key = self._dice.choice(free)
        chosen = self._dice.sample(NAMES, self._dice.randint(1, 5))
        spec: Document = {
            "path": PATH,
            "parameters": [self._parameter(name) for name in chosen],
            "deletionPolicy": self._dice.choice(("Delete", "Delete", "Retain")),
            "adoptionPolicy": self._dice.choice(("Never", "IfUnowned")),
            "driftPolicy": self._dice.choice(("Correct", "Correct", "Report")),
            "tags": {"team": "red"},
        }
        if self._dice.random() < 0.5:
            spec.update(rollout=BAKE, alarms={"defaults": False, "custom": [ALARM]})
        self.world.cluster.create(key, spec)
        return f"create {key} {_described(spec)}"

    def edit_value(self) -> str | None:
        return self._edited("edit a value of", self._with_other_value)

    def add(self) -> str | None:
        def add(spec: Document) -> None:
            there = {item["name"] for item in spec["parameters"]}
            left = [name for name in NAMES if name not in there]
            if left:
                spec["parameters"].append(self._parameter(self._dice.choice(left)))

        return self._edited("add to", add)

    def remove(self) -> str | None:
        def remove(spec: Document) -> None:
            count = self._dice.choice((1, 1, 1, 3))
            for item in self._dice.sample(spec["parameters"], min(count, len(spec["parameters"]))):
                spec["parameters"].remove(item)

        return self._edited("remove from", remove)

    def move(self) -> str | None:
        """From one object to another: in one edit, or with a pause between two edits, in either order."""
        live = self.live()
        if len(live) < 2:
            return None
        source, target = self._dice.sample(live, 2)
        specs = {key: copied(self.world.cluster.objects[key]["spec"]) for key in (source, target)}
        there = {item["name"] for item in specs[target]["parameters"]}
        movable = [item for item in specs[source]["parameters"] if item["name"] not in there]
        if not movable:
            return None
        moved = self._dice.choice(movable)
        specs[source]["parameters"].remove(moved)
        specs[target]["parameters"].append(moved)
        first, second = self._dice.choice(((source, target), (target, source)))
        pause = self._dice.choice((0.0, 0.0, 0.001, 2.0))
        self.apply(first, specs[first])
        if pause:
            self.world.run(pause)
        if second in self.live():
            self.apply(second, specs[second])
        return f"move {moved['name']} from {source} to {target}, {first} first, {pause} s between"

    def policy(self) -> str | None:
        name, choices = self._dice.choice(
            (
                ("deletionPolicy", ("Delete", "Retain")),
                ("adoptionPolicy", ("Never", "IfUnowned")),
                ("driftPolicy", ("Correct", "Report")),
                ("suspend", (True, False, False)),
                ("tags", ({"team": "red"}, {"team": "blue"})),
            )
        )
        value = self._dice.choice(choices)
        return self._edited(f"{name}: {value} for", lambda spec: spec.update({name: value}))

    def rollout(self) -> str | None:
        def switch(spec: Document) -> None:
            if spec.pop("rollout", None) is None:
                spec.update(rollout=BAKE, alarms={"defaults": False, "custom": [ALARM]})

        return self._edited("switch the rollout of", switch)

    def delete(self) -> str | None:
        live = self.live()
        if not live:
            return None
        key = self._dice.choice(live)
        self.world.cluster.delete(key)
        return f"delete {key}"

    def alarm(self) -> str | None:
        found = {name: alarm for name, alarm in account.alarms().items() if not alarm.is_composite}
        if not found:
            return None
        name = self._dice.choice(sorted(found))
        state = "OK" if found[name].state.value == "ALARM" else "ALARM"
        self.sound(name, state)
        return f"alarm {name}: {state}"

    def sound(self, name: str, state: str) -> None:
        cloudwatch = self.world.aws("cloudwatch")
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a story")
        for document in self.world.cluster.objects.values():
            if firing(document):
                self._ghost.fired.add(document["metadata"]["uid"])

    def restart(self) -> str:
        self.world.kill()
        self.world.start()
        return "restart"

    def die(self) -> str:
        death = Death(self._dice.randint(0, 5), self._dice.random() < 0.5)
        self.world.die_at(death)
        return f"die {'before' if death.is_before else 'after'} write {death.write} from now"

    def trouble(self) -> str:
        trouble = self._dice.choice((Trouble.UNAVAILABLE, Trouble.THROTTLED, Trouble.LOST_ANSWERS))
        self.world.wire.trouble = trouble
        return f"AWS: {trouble}"

    def drift(self) -> str | None:
        ours = [item for item in account.parameters().values() if item.uid in wishes(self.world.cluster)]
        if not ours:
            return None
        item = self._dice.choice(sorted(ours, key=lambda found: found.name))
        what = self._dice.choice(("value", "value", "tag", "gone"))
        ssm = self.world.aws("ssm")
        if what == "value":
            ssm.put_parameter(Name=item.name, Value=self._next("foreign"), Overwrite=True)
        elif what == "gone":
            ssm.delete_parameter(Name=item.name)
        else:
            ssm.add_tags_to_resource(
                ResourceType="Parameter", ResourceId=item.name, Tags=[{"Key": "team", "Value": "foreign"}]
            )
        self._ghost.foreign.setdefault(item.name, set()).add(what)
        if what == "gone":
            self._ghost.made_in.pop(item.name, None)
        if what != "tag" and self._dice.random() < 0.5:
            self.world.signal(item.name)
        else:
            # The resync, and before it the tag index, each run every ten minutes.
            self.world.run(700.0 if what != "tag" else 1400.0)
        return f"external change: {what} of {item.name}"

    def rotate(self) -> str:
        namespace = self._dice.choice(KEYS).namespace
        data = dict(self.world.cluster.secrets[namespace, "creds"])
        data[self._dice.choice(("s0", "s1"))] = self._next("secret")
        self.world.rotate(namespace, "creds", data)
        return f"rotate {namespace}/creds"

    def lose(self) -> str | None:
        """Remove a key of a Secret; the next rotation restores it."""
        namespace = self._dice.choice(KEYS).namespace
        data = dict(self.world.cluster.secrets[namespace, "creds"])
        lost = self._dice.choice(("s0", "s1"))
        if data.pop(lost, None) is None:
            return None
        self.world.rotate(namespace, "creds", data)
        return f"lose {lost} of {namespace}/creds"

    def spoil(self) -> str | None:
        """Start or end an invalid edit; other edits may come with it."""

        def spoil(spec: Document) -> None:
            if spec.pop("rules", None) is None:
                spec["rules"] = [NEVER]
                if self._dice.random() < 0.5:
                    self._with_other_value(spec)

        return self._edited("spoil or mend", spoil)

    def fail_unseen(self) -> str | None:
        """A change bakes, then an invalid edit, and then the alarm."""
        baking = [key for key in self.live() if "rollout" in self.world.cluster.objects[key]["spec"]]
        if not baking:
            return None
        key = self._dice.choice(baking)
        spec = copied(self.world.cluster.objects[key]["spec"])
        spec.pop("rules", None)
        self._with_other_value(spec)
        self.apply(key, spec)
        self.world.run(5.0)
        if key not in self.live():
            return None
        self.apply(key, {**copied(spec), "rules": [NEVER]})
        self.world.run(5.0)
        alarms = (name for name in account.alarms() if name == f"dynconfig-{key.namespace}-{key.name}/{ALARM['name']}")
        for name in alarms:
            self.sound(name, "ALARM")
        return f"change, invalidate and alarm {key}: {_described(spec)}"

    def approve(self) -> str | None:
        live = self.live()
        if not live:
            return None
        key = self._dice.choice(live)
        self.annotate(key, names.APPROVE_GENERATION)
        return f"approve {key}"

    def foreign(self) -> str | None:
        left = [name for name in NAMES if account.parameter(f"{PATH}/{name}") is None]
        if not left:
            return None
        name, owner = f"{PATH}/{self._dice.choice(left)}", self._dice.choice(("", "elsewhere/shop/a/uid"))
        tags = [{"Key": names.OWNER_TAG, "Value": owner}] if owner else []
        self.world.aws("ssm").put_parameter(Name=name, Value="theirs", Type="String", Tags=tags)
        self._ghost.left.discard(name)
        found = account.parameter(name)
        assert found is not None
        self._ghost.unmanaged[name] = found
        return f"another owner creates {name}, owner {owner or 'none'}"

    def wait(self) -> str:
        seconds = self._dice.choice((5.0, 40.0, 70.0, 700.0))
        self.world.run(seconds)
        return f"wait {seconds} s"

    def live(self) -> list[Key]:
        found = self.world.cluster.objects.items()
        return [key for key, document in found if "deletionTimestamp" not in document["metadata"]]

    def _edited(self, what: str, change: Callable[[Document], object]) -> str | None:
        live = self.live()
        if not live:
            return None
        key = self._dice.choice(live)
        spec = copied(self.world.cluster.objects[key]["spec"])
        change(spec)
        self.apply(key, spec)
        return f"{what} {key}: {_described(spec)}"

    def apply(self, key: Key, spec: Document) -> None:
        self.world.cluster.edit(key, spec)
        self._ghost.note(wishes(self.world.cluster).values())

    def annotate(self, key: Key, name: str) -> None:
        generation = self.world.cluster.objects[key]["metadata"]["generation"]
        self.world.cluster.annotate(key, name, str(generation))

    def _parameter(self, name: str) -> Document:
        if name.startswith("s"):
            reference = {"name": "creds", "key": name}
            return {"name": name, "type": "SecureString", "valueFrom": {"secretKeyRef": reference}}
        return {"name": name, "value": self._next("v")}

    def _with_other_value(self, spec: Document) -> None:
        plain = [item for item in spec["parameters"] if "value" in item]
        for item in self._dice.sample(plain, min(len(plain), self._dice.choice((1, 1, 2)))):
            item["value"] = self._next("v")

    def _next(self, kind: str) -> str:
        self._values += 1
        return f"{kind}-{self._values}"


def copied(spec: Document) -> Document:
    """A spec that can be changed."""
    return {**spec, "parameters": [dict(item) for item in spec["parameters"]]}


def _described(spec: Document) -> str:
    listed = " ".join(f"{item['name']}={item.get('value', 'secret')}" for item in spec["parameters"])
    words = [spec[name] for name in ("deletionPolicy", "adoptionPolicy", "driftPolicy") if name in spec]
    words += ["suspended"] if spec.get("suspend") else []
    words += [word for word in ("rollout", "rules") if word in spec]
    return f"[{listed}] {' '.join(words)}"


Act = Callable[[Acts], str | None]
ACTS: tuple[tuple[Act, int], ...] = (
    (Acts.create, 12),
    (Acts.edit_value, 14),
    (Acts.add, 8),
    (Acts.remove, 8),
    (Acts.move, 12),
    (Acts.policy, 8),
    (Acts.rollout, 2),
    (Acts.delete, 7),
    (Acts.alarm, 8),
    (Acts.restart, 5),
    (Acts.die, 8),
    (Acts.trouble, 5),
    (Acts.drift, 8),
    (Acts.rotate, 3),
    (Acts.lose, 2),
    (Acts.spoil, 5),
    (Acts.fail_unseen, 4),
    (Acts.approve, 3),
    (Acts.foreign, 4),
    (Acts.wait, 3),
)

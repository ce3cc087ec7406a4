"""All kinds: the only place that lists them."""

from collections.abc import Iterable
from typing import Protocol

from dynconfig.kinds import (
    alarm,
    composite_alarm,
    failure_destination,
    http_api,
    log_group,
    permission,
    role,
    rule,
    schedule,
    topic,
)
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds.attachment import facts as attachment
from dynconfig.kinds.dashboard import facts as dashboard
from dynconfig.kinds.function import facts as function
from dynconfig.kinds.parameter import facts as parameter
from dynconfig.model.facts import Facts
from dynconfig.model.plan import AnyKind


class KindModule(Protocol):
    """What the module of a kind has."""

    FACTS: Facts

    def build(self, context: Context, /) -> AnyKind:
        """Return the kind of one place: its class."""


MODULES: tuple[KindModule, ...] = (
    parameter,
    function,
    failure_destination,
    log_group,
    rule,
    schedule,
    http_api,
    permission,
    role,
    attachment,
    alarm,
    composite_alarm,
    dashboard,
    topic,
)
"""In the order in which the IAM policy lists their resources. Append new kinds: the order of creation follows from `needs`."""
ALL: tuple[Facts, ...] = tuple(module.FACTS for module in MODULES)


def kinds(context: Context) -> tuple[AnyKind, ...]:
    """Return all kinds of one place, in the order in which resources are created: each after those that it needs."""
    return in_order(module.build(context) for module in MODULES)


def in_order(kinds: Iterable[AnyKind]) -> tuple[AnyKind, ...]:
    """Return each kind right after those it needs, else in the given order."""
    by_name = {kind.value.kind: kind for kind in kinds}
    ordered: dict[str, AnyKind] = {}

    def add(name: str) -> None:
        for needed in getattr(by_name[name], "needs", ()):
            add(needed)
        ordered.setdefault(name, by_name[name])

    for name in by_name:
        add(name)
    return tuple(ordered.values())

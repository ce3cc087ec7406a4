"""Everything that is derived from the facts of all kinds and of the operator itself: errors, quotas, nouns, resource types."""

from collections.abc import Iterable, Iterator, Mapping

from dynconfig.aws.own_facts import OWN_FACTS
from dynconfig.kinds.registry import ALL
from dynconfig.model.errors import DynConfigError
from dynconfig.model.facts import Facts, Group

EVERYTHING: tuple[Facts, ...] = (*OWN_FACTS, *ALL)


def error_codes() -> Mapping[str, type[DynConfigError]]:
    """Return the error for each code that only some services have."""
    return {code: error for facts in EVERYTHING for code, error in facts.errors.items()}


def quota_groups(everything: Iterable[Facts] = EVERYTHING) -> tuple[Group, ...]:
    """Return the quota groups, each with the operations of all kinds."""
    found: dict[str, Group] = {}
    for group in (group for facts in everything for group in facts.quotas):
        before = found.get(group.name, Group(group.name, (), group.per_second))
        operations = tuple(dict.fromkeys((*before.operations, *group.operations)))
        found[group.name] = Group(group.name, operations, before.per_second)
    return tuple(found.values())


def nouns() -> Mapping[str, Mapping[str, str]]:
    """Return, by service and member of a request, what the resource that it names is called."""
    found: dict[str, dict[str, str]] = {}
    for facts in EVERYTHING:
        found.setdefault(facts.service, {}).update(dict.fromkeys(facts.named_by, facts.noun))
    return found


def indexed_types() -> Iterator[str]:
    """Yield the resource types in AWS's tag index."""
    yield from dict.fromkeys(facts.indexed_as for facts in EVERYTHING if facts.indexed_as)

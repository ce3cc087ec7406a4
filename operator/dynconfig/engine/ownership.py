"""Whose a resource is that exists already: whether it may be taken over, and what to do if not. Pure."""

from collections.abc import Mapping, Sequence

from dynconfig.api.spec import AdoptionPolicy
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import NotOwned
from dynconfig.engine.resource import Owner, Resource, Versioned


def check_ownership(declaration: Declaration, desired: Sequence[Resource], existing: Mapping[str, Resource]) -> None:
    """Raise NotOwned, naming the desired resources that exist, are not ours and may not be taken over."""
    foreign = [
        existing[r.name] for r in desired if r.name in existing and existing[r.name].owner != declaration.owner.tag
    ]
    refused = [(resource, text) for resource in foreign if (text := _refusal(declaration, resource))]
    if refused:
        more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
        owners = (Owner.parse(resource.owner) for resource, _text in refused)
        raise NotOwned(
            "; ".join(text for _resource, text in refused[:5]) + more,
            titles=[resource.title for resource, _text in refused],
            may_pass=any(owner is not None and owner.cluster == declaration.owner.cluster for owner in owners),
        )


def _refusal(declaration: Declaration, observed: Resource) -> str | None:
    owner = Owner.parse(observed.owner) if observed.owner else None
    is_parameter = isinstance(observed, Versioned)
    is_given_up = is_parameter and owner is not None and declaration.gives_up(owner.title, observed.name)
    free = not observed.owner or is_given_up or (owner is not None and owner.is_predecessor_of(declaration.owner))
    where = f"{observed.declared_in}: " if observed.declared_in else ""
    title = where + observed.title[0].lower() + observed.title[1:]
    if not free:
        return f"{title} belongs to {owner_title(observed, declaration)}; {_way_out(observed, owner, declaration)}"
    if declaration.adoption_policy is AdoptionPolicy.IF_UNOWNED:
        return None
    left = (
        f"is given up by {owner.title}" if owner and is_given_up else f"was left by an earlier {owner and owner.title}"
    )
    whose = left if owner else "has no owner"
    return f"{title} exists already and {whose}; set adoptionPolicy: IfUnowned to take it over, or rename it"


def _way_out(observed: Resource, owner: Owner | None, declaration: Declaration) -> str:
    """What to do about a resource that belongs to somebody else."""
    may_adopt = declaration.adoption_policy is AdoptionPolicy.IF_UNOWNED
    adopting = "" if may_adopt else " and set adoptionPolicy: IfUnowned here"
    if owner is not None and declaration.owner.cluster not in ("", owner.cluster):
        return (
            f"rename it; or, if this cluster replaces that one, run this operator with DYNCONFIG_CLUSTER_ID={owner.cluster}"
            f"{adopting}, which takes over what an object of the same namespace and name left"
        )
    if owner is None or not isinstance(observed, Versioned):
        return "rename it or delete the other"
    return f"rename it; or remove it from {owner.title}{adopting}, so that it is handed over"


def owner_title(observed: Resource, declaration: Declaration) -> str:
    """The owner of a resource as a message names it; empty if it has none."""
    owner = Owner.parse(observed.owner)
    return owner.title_beside(declaration.owner) if owner else observed.owner

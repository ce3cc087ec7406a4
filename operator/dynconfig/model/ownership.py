"""Decides whether an existing resource is owned or may be adopted, and what to do if not. Pure."""

from dynconfig.api.spec import AdoptionPolicy
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned
from dynconfig.model.resource import Owner, Resource, Versioned


def not_owned(declaration: Declaration, observed: Resource) -> NotOwned | None:
    """Return why an existing resource may not be written; None if it is owned or may be adopted."""
    if observed.owner == declaration.owner.tag:
        return None
    text, owner = _refusal(declaration, observed), Owner.parse(observed.owner)
    is_near = owner is not None and owner.cluster == declaration.owner.cluster
    if text and is_near and _is_awaited(declaration, observed, owner):
        text = f"is still owned by {owner and owner.title}, which is about to release it; it is adopted then"
        subject = observed.title
        return NotOwned(f"{subject} {text}", titles=[observed.title], may_pass=True, is_awaited=True, subject=subject)
    subject = _subject(observed)
    message = f"{subject} {text}"
    return NotOwned(message, titles=[observed.title], may_pass=is_near, subject=subject) if text else None


def _subject(observed: Resource) -> str:
    where = f"{observed.declared_in}: " if observed.declared_in else ""
    return where + observed.title[0].lower() + observed.title[1:]


def _is_awaited(declaration: Declaration, observed: Resource, owner: Owner | None) -> bool:
    """Whether a parameter will be handed over without further action."""
    may_adopt = declaration.adoption_policy is AdoptionPolicy.IF_UNOWNED and isinstance(observed, Versioned)
    return may_adopt and owner is not None and declaration.awaits(owner.title, observed.name)


def _refusal(declaration: Declaration, observed: Resource) -> str | None:
    """Return why a resource may not be written, as the end of a sentence; None if it may."""
    owner = Owner.parse(observed.owner) if observed.owner else None
    is_parameter = isinstance(observed, Versioned)
    is_given_up = is_parameter and owner is not None and declaration.gives_up(owner.title, observed.name)
    is_left = owner is not None and owner.is_predecessor_of(declaration.owner)
    free = is_given_up or is_left or (is_parameter and not observed.owner)
    if not free:
        whose = (
            f"is owned by {owner_title(observed, declaration)}" if observed.owner else "already exists and has no owner"
        )
        return f"{whose}; {_way_out(observed, owner, declaration)}"
    if declaration.adoption_policy is AdoptionPolicy.IF_UNOWNED:
        return None
    left = (
        f"is being released by {owner.title}"
        if owner and is_given_up
        else f"was left by an earlier {owner and owner.title}"
    )
    whose = left if owner else "has no owner"
    return f"already exists and {whose}; set adoptionPolicy: IfUnowned to adopt it, or rename it"


def _way_out(observed: Resource, owner: Owner | None, declaration: Declaration) -> str:
    """Return what to do about a resource that has another owner, or none and is not a parameter."""
    if not observed.owner:
        return observed.way_out
    may_adopt = declaration.adoption_policy is AdoptionPolicy.IF_UNOWNED
    adopting = "" if may_adopt else " and set adoptionPolicy: IfUnowned here"
    if owner is not None and declaration.owner.cluster not in ("", owner.cluster):
        return (
            f"rename it; or, if this cluster replaces that one, run this operator with DYNCONFIG_CLUSTER_ID={owner.cluster}"
            f"{adopting}, which adopts what an object of the same namespace and name left"
        )
    if owner is None or not isinstance(observed, Versioned):
        return "rename it or delete the other"
    return f"rename it; or remove it from {owner.title}{adopting}, so that it is handed over"


def owner_title(observed: Resource, declaration: Declaration) -> str:
    """Return the owner of a resource, as used in messages; empty if it has none."""
    owner = Owner.parse(observed.owner)
    return owner.title_beside(declaration.owner) if owner else observed.owner

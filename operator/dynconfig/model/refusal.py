"""Resources that cannot be applied now, and the steps that depend on them; all other steps are applied. Pure.

A kind says by names of kinds what its resources depend on: `needs` those that have to exist, `needs_current` those that
have to be as declared, too, `named_after` those that it is named after, and that must not belong to another owner when it is
created.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError, NotOwned, Retryable, Terminal
from dynconfig.model.plan import AnyKind, Create, Release, Step
from dynconfig.model.resource import Resource, Versioned

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """One resource, and why it is not in sync."""

    title: str
    """Kind and name, or only the kind if none of its resources can be read."""
    kind: AnyKind
    error: DynConfigError
    is_missing: bool = False
    """No owned resource exists, as far as is known."""
    is_put: bool = True
    """It is declared; otherwise it should be deleted."""
    is_only: bool = False
    """It is the only declared one of its kind, so it replaces one of another name."""

    @classmethod
    def of(cls, step: Step, error: DynConfigError, declared: Sequence[Resource] = ()) -> "Refusal":
        """Return the refusal of a step."""
        is_only = step.is_put and len(declared) == 1
        return cls(step.resource.title, step.kind, error, isinstance(step.change, Create), step.is_put, is_only)

    @classmethod
    def unread(cls, kind: AnyKind, error: DynConfigError, *, is_put: bool) -> "Refusal":
        """Return the refusal of a whole kind that could not be read."""
        return cls(kind.value.kind, kind, error, is_missing=True, is_put=is_put, is_only=is_put)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A step that depends on a refused resource."""

    step: Step
    by: Refusal

    @property
    def message(self) -> str:
        """Return the message that names what it waits for."""
        return f"{self.step.resource.title} waits for {self.by.title}"


def is_watched(declaration: Declaration) -> bool:
    """Whether a change must be complete before parameters are deleted."""
    return declaration.rollout is not None and not declaration.deleting


def blocker(step: Step, refused: Iterable[Refusal], *, is_watched: bool) -> Refusal | None:
    """Return the refusal that blocks a step, if any. `is_watched`: a rollout keeps parameters until the change is complete."""
    return next((item for item in refused if _blocks(item, step, is_watched=is_watched)), None)


def independent(
    steps: Sequence[Step], refused: Sequence[Refusal], *, is_watched: bool
) -> tuple[tuple[Step, ...], tuple[Blocked, ...]]:
    """Split ordered `steps` into those that depend on no refused resource, and blocked ones."""
    known, free, blocked = list(refused), list[Step](), list[Blocked]()
    for step in steps:
        by = blocker(step, known, is_watched=is_watched)
        if by is None:
            free.append(step)
        else:
            blocked.append(Blocked(step, by))
            known.append(passed_on(step, by))
    return tuple(free), tuple(blocked)


def passed_on(step: Step, by: Refusal) -> Refusal:
    """Return the refusal that a blocked step causes for its dependents."""
    return replace(Refusal.of(step, by.error), title=by.title)


def summary(refused: Sequence[Refusal]) -> DynConfigError | None:
    """Return all refusals as one error, terminal ones first."""
    if len(refused) < 2:
        return refused[0].error if refused else None
    ordered = sorted(refused, key=lambda item: not isinstance(item.error, Terminal))
    texts = sentences([item.error for item in ordered])
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    text, first = "; ".join(texts[:SHOWN]) + more, ordered[0].error
    if isinstance(first, Retryable):
        return type(first)(text, delay=first.delay, code=first.code)
    if isinstance(first, NotOwned):
        is_awaited = all(isinstance(item.error, NotOwned) and item.error.is_awaited for item in ordered)
        return merged([item.error for item in ordered if isinstance(item.error, NotOwned)], text, is_awaited=is_awaited)
    return type(first)(text, code=first.code)


def sentences(errors: Iterable[DynConfigError]) -> list[str]:
    """Return the error messages, merging equal messages about several resources."""
    subjects: dict[str, list[str]] = {}
    for error in errors:
        subject = error.subject if isinstance(error, NotOwned) else ""
        named = subjects.setdefault(str(error).removeprefix(f"{subject} "), [])
        named += [subject] if subject and subject not in named else []
    return [f"{_together(named)} {rest}" if named else rest for rest, named in subjects.items()]


def _together(subjects: Sequence[str]) -> str:
    """Join the subjects of a singular sentence, naming each kind once."""
    if len(subjects) == 1:
        return subjects[0]
    pairs = [subject.rsplit(" ", 1) for subject in subjects[:SHOWN]]
    first = pairs[0][0]
    names = [name if kind == first and index else f"{kind} {name}" for index, (kind, name) in enumerate(pairs)]
    more = f" and {len(subjects) - SHOWN} more" if len(subjects) > SHOWN else ""
    return f"{', '.join(names)}{more}: each"


def merged(found: Sequence[NotOwned], text: str, *, is_awaited: bool = False) -> NotOwned:
    """Return all ownership errors as one."""
    titles = [title for error in found for title in error.titles]
    return NotOwned(text, titles=titles, may_pass=any(error.may_pass for error in found), is_awaited=is_awaited)


def _blocks(refusal: Refusal, step: Step, *, is_watched: bool) -> bool:
    name = refusal.kind.value.kind
    is_new = isinstance(step.change, Create)
    if is_new and isinstance(refusal.error, NotOwned) and name in getattr(step.kind, "named_after", ()):
        return True
    # A dependent of a missing resource may be undesired only because of that.
    if refusal.is_put and refusal.is_missing and name in getattr(step.kind, "needs", ()):
        return True
    if step.is_put:
        return refusal.is_put and name in getattr(step.kind, "needs_current", ())
    return _keeps(refusal, step, is_watched=is_watched)


def _keeps(refusal: Refusal, step: Step, *, is_watched: bool) -> bool:
    """Whether a deletion would remove what a refused resource still uses or should replace."""
    user = (*getattr(refusal.kind, "needs", ()), *getattr(refusal.kind, "needs_current", ()))
    if step.resource.kind in user:
        return True
    if isinstance(step.resource, Versioned):
        return is_watched and refusal.is_put and not _waits_for_others(refusal, step)
    return refusal.is_only and refusal.kind is step.kind


def _waits_for_others(refusal: Refusal, step: Step) -> bool:
    """Whether a hand-over waits for another hand-over: two objects that swap parameters must not block each other."""
    is_awaited = isinstance(refusal.error, NotOwned) and refusal.error.is_awaited
    return is_awaited and isinstance(step.change, Release)

"""Drift for status and Events: current entries, new entries, and who made the change. Pure."""

from collections.abc import Iterable

from dynconfig.api.status import AUTHOR_LENGTH, MAX_DRIFT, Drift
from dynconfig.engine.outcome import Outcome
from dynconfig.model import drift_digest
from dynconfig.model.declaration import Declaration
from dynconfig.model.plan import Difference, Step, Update
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Versioned
from dynconfig.model.window import Brief


def drift_entries(outcome: Outcome, previous: PreviousStatus, now: str) -> list[Drift]:
    """Return the entries of uncorrected drift. Drift that was corrected in this reconcile is only reported as an Event.

    The entries of resources that were neither compared nor written this time are kept: with `driftPolicy: Report` they are the
    only record that a value is not ours.
    """
    found = [
        Drift(
            resource=step.resource.title,
            field=because.field,
            declared=because.brief.declared,
            observed=because.brief.observed,
            digest=because.brief.digest or None,
            since=previous.drift_since.get((step.resource.title, because.field)) or now,
            last_modified_by=author_of(step, outcome.declaration),
        )
        for step in outcome.uncorrected_drift
        for because in step.because
    ]
    listed, unknown = {(item.resource, item.field) for item in found}, _Unknown(outcome)
    kept = (place for place in previous.drift if place not in listed and unknown.has(place[0]))
    return [*found, *(_kept(place, previous, now) for place in kept)]


def further_drift(outcome: Outcome, previous: PreviousStatus, entries: Iterable[Drift]) -> list[str]:
    """Return the digests of the entries beyond the limit of status, and those that are kept."""
    unlisted = list(entries)[MAX_DRIFT:]
    found = {drift_digest.of_field(item.resource, item.field, _brief(item)) for item in unlisted}
    if previous.further_drift:
        unknown = _Unknown(outcome).title_digests
        # Differences that were compared again are among the entries.
        found |= {digest for digest in previous.further_drift if drift_digest.title_in(digest) in unknown}
    return sorted(found)


class _Unknown:
    """The resources whose drift is not known after a reconcile: not read, refused, blocked, or not written yet."""

    def __init__(self, outcome: Outcome) -> None:
        remaining = (step.resource.title for step in outcome.remaining if step.is_put)
        blocked = (item.step.resource.title for item in outcome.blocked)
        refused = (item.title for item in outcome.refused)
        self._titles = {*remaining, *blocked, *refused, *outcome.declaration.unread}
        self._written = {step.resource.title for step in outcome.applied}
        # Only the values of the last change are compared while spec is invalid.
        self._is_any = outcome.declaration.is_last_change
        self._is_none = outcome.declaration.deleting
        self._kinds = tuple(
            f"{item.kind.value.kind} " for item in outcome.refused if item.title == item.kind.value.kind
        )
        self._outcome = outcome

    def has(self, title: str) -> bool:
        """Whether it is not known if this resource has drifted."""
        if self._is_none or title in self._written:
            return False
        return self._is_any or title in self._titles or title.startswith(self._kinds)

    @property
    def title_digests(self) -> set[str]:
        """Return the digests of the titles of these resources, as far as they are declared or were refused."""
        declared = {resource.title for resource in self._outcome.plan.declared}
        return {drift_digest.of_title(title) for title in {*declared, *self._titles} if self.has(title)}


def _kept(place: tuple[str, str], previous: PreviousStatus, now: str) -> Drift:
    found = previous.drift[place]
    return Drift(
        resource=place[0],
        field=place[1],
        declared=found.declared,
        observed=found.observed,
        digest=found.digest or None,
        since=previous.drift_since.get(place) or now,
        last_modified_by=previous.drift_authors.get(place),
    )


def _brief(item: Drift) -> Brief:
    return Brief(item.declared, item.observed, item.digest or "")


def new(outcome: Outcome, previous: PreviousStatus) -> list[tuple[Step, Difference]]:
    """Return the drift that is not in the previous status, so that each entry is reported and counted once."""
    # If the list is full, unlisted drift may have been reported already.
    if previous.is_drift_cut:
        return []
    found = ((step, because) for step in outcome.drift for because in step.because)
    return [(step, because) for step, because in found if (step.resource.title, because.field) not in previous.drift]


def author_of(step: Step, declaration: Declaration) -> str | None:
    """Return who modified a resource last, if AWS or an event reported it."""
    observed = step.change.observed if isinstance(step.change, Update) else None
    by_aws = observed.modified_by if isinstance(observed, Versioned) else None
    who = by_aws or declaration.changed.get(step.resource.name)
    return who[:AUTHOR_LENGTH] if who else None

"""Plans for a person who waits: of objects in files or in the cluster, with what the cluster knows of them, if there is one."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dynconfig import wiring
from dynconfig.api.model import refused_edits
from dynconfig.engine.applying import applied_spec
from dynconfig.engine.assessment import Assessment
from dynconfig.engine.declaration import Declaration, ReadSource, Source
from dynconfig.engine.declare import declare, declare_deletion, parse_spec
from dynconfig.engine.errors import DynConfigError, InvalidSpec, Retryable, SourceMissing
from dynconfig.engine.look import Sight
from dynconfig.engine.neighbours import Neighbours, key_of
from dynconfig.engine.plan import Plan, Step, Update
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner, Resource, Versioned
from dynconfig.engine.secret import NOT_KNOWN, UnknownSecret, UnreadableSecret
from dynconfig.engine.work_queue import Key
from dynconfig.files import Document, Manifests
from dynconfig.settings import Settings, Tenancy
from dynconfig.tenants import Tenants

LOOKS = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """What the cluster knows about an object."""

    cluster: str
    live: Document | None
    read: ReadSource
    others: Callable[[], Sequence[Document]] = tuple
    """All objects of the cluster, as far as they may be read."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One object, and what would be done about it."""

    document: Document
    assessment: Assessment
    live: Document | None
    """The object as the cluster has it."""
    unreadable: tuple[str, ...] = ()
    """Names of the parameters that AWS does not decrypt here, and that have the version that the operator reported."""

    @property
    def declaration(self) -> Declaration:
        """The object as it is carried out."""
        return self.assessment.declaration

    @property
    def plan(self) -> Plan:
        """The steps, and what waits."""
        return self.assessment.plan

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the parameters whose value is in a Secret that is not known here."""
        return tuple(item.name for item in self.declaration.parameters if isinstance(item.value, UnknownSecret))

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Names of the parameters whose values are not compared."""
        return tuple(dict.fromkeys((*self.unknown, *self.unreadable)))


@dataclass(frozen=True, slots=True)
class Unplanned:
    """One object, and why nothing can be told of it."""

    document: Document
    error: DynConfigError
    live: Document | None = None
    """The object as the cluster has it."""


class Planner:
    """Plans objects one after the other, on one engine."""

    def __init__(self, settings: Settings, engine: Engine, region: str, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        # What a cluster grants is not known here, unless the environment says it.
        self._tenant_of = Tenants(settings, Tenancy.SINGLE)
        self._engine = engine
        self._region = region
        self._now = now

    @classmethod
    def of(cls, settings: Settings, at_once: Executor) -> "Planner":
        """A planner whose kinds look at AWS at the same time. Raises BadSetting."""
        return cls(settings, wiring.engine(settings, at_once=at_once), wiring.default_region(settings))

    def planned(self, document: Document, manifests: Manifests, known: Known) -> Planned | Unplanned:
        """What applying the object would do."""
        return self._tried(document, known, lambda: self._declared(document, manifests, known))

    def deleted(self, document: Document, manifests: Manifests, known: Known) -> Planned | Unplanned:
        """What deleting the object would do, with all others of the files that are named."""
        return self._tried(document, known, lambda: self._goodbye(document, manifests, known))

    def wanted(self, document: Document, manifests: Manifests, known: Known) -> tuple[Resource, ...]:
        """What AWS would have, without a look at it. Raises DynConfigError."""

        def read(source: Source) -> str | None:
            # What is masked, or of which only the name counts, does not have to exist.
            try:
                text = known.read(source)
            except SourceMissing:
                text = None
            return NOT_KNOWN if text is None else text

        return self._engine.wanted(self._declared(document, manifests, replace(known, read=read)))

    def _tried(self, document: Document, known: Known, declared: Callable[[], Declaration]) -> Planned | Unplanned:
        try:
            declaration = declared()
            return _patiently(lambda: self._planned(document, declaration, known))
        except DynConfigError as error:
            return Unplanned(document, error, known.live)

    def _planned(self, document: Document, declaration: Declaration, known: Known) -> Planned:
        mine, sights = self._identified(declaration, known)
        found = self._engine.assess(mine, self._now(), sights)
        unreadable = [step for step in found.plan.steps if _is_known_to_operator(step, found.declaration)]
        steps = tuple(step for step in found.plan.steps if step not in unreadable)
        names = tuple(step.resource.name for step in unreadable)
        return Planned(document, replace(found, plan=replace(found.plan, steps=steps)), known.live, names)

    def _identified(self, declaration: Declaration, known: Known) -> tuple[Declaration, tuple[Sight, ...] | None]:
        """Without a cluster, an owner in AWS of the same namespace and name is taken to be this object."""
        if known.cluster:
            return declaration, None
        new = replace(declaration, untouched=True)
        sights = tuple(self._engine.look(new))
        for resource in (resource for sight in sights for resource in sight.observed):
            owner = Owner.parse(resource.owner)
            if owner and owner.title == declaration.owner.title:
                return replace(declaration, owner=owner, untouched=False), None
        return new, sights

    def _declared(self, document: Document, manifests: Manifests, known: Known) -> Declaration:
        namespace = document["metadata"]["namespace"]
        applied = _as_applied(document, known.live or {})
        _refuse_edit(applied, known.live)

        def read(source: Source) -> str | None:
            text = manifests.text(namespace, source)
            return text if text is not None else known.read(source)

        declaration = declare(
            applied,
            owner=_owner(document, known),
            default_region=self._region,
            read=read,
            tenant=self._tenant_of(namespace),
            is_own_layer=wiring.is_own_layer,
            is_region=wiring.is_region,
            allowed_regions=self._settings.allowed_regions,
        )
        return self._beside(declaration, manifests, known)

    def _goodbye(self, document: Document, manifests: Manifests, known: Known) -> Declaration:
        if known.live is None:
            parse_spec(document)
        doomed = known.live or {**document, "status": None}
        declaration = declare_deletion(doomed, owner=_owner(document, known), default_region=self._region)
        return self._beside(declaration, manifests, known, gone=[key_of(each) for each in manifests.configs])

    def _beside(
        self, declaration: Declaration, manifests: Manifests, known: Known, gone: Sequence[Key] = ()
    ) -> Declaration:
        """The declaration beside the other objects of files and cluster, which may take over what it gives up."""
        files = (*manifests.configs, *manifests.beside)
        neighbours = Neighbours(files, known.others, self._region, self._tenant_of, gone)
        owner = declaration.owner
        successor_of = neighbours.successor_of(owner, declaration.place.region)
        return replace(declaration, successor_of=successor_of, gives_up=neighbours.gives_up)


def _is_known_to_operator(step: Step, declaration: Declaration) -> bool:
    """Whether only an unreadable value differs at a version that the operator has seen: it need not read it again.

    Without a report, no one here knows what the operator has seen.
    """
    change = step.change
    if not isinstance(change, Update) or not isinstance(change.observed, Versioned):
        return False
    value, applied = getattr(change.observed, "value", None), declaration.applied
    if {item.field for item in change.because} != {"value"} or not isinstance(value, UnreadableSecret):
        return False
    if applied is None:
        return True
    is_refused = step.resource.title in applied.refused
    return applied.versions.get(change.observed.name) == change.observed.version and not is_refused


def title(document: Document) -> str:
    """An object as messages name it."""
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"


def _patiently(look: Callable[[], T]) -> T:
    """A person waits: what may pass is tried again at once, a few times."""
    for _ in range(LOOKS - 1):
        try:
            return look()
        except Retryable:
            continue
    return look()


def _refuse_edit(applied: Document, live: Document | None) -> None:
    """What the API server would refuse of the edit of an object that it has. Raises InvalidSpec."""
    if live and (refused := list(refused_edits(parse_spec(live), parse_spec(applied)))):
        raise InvalidSpec("; ".join(refused))


def _as_applied(document: Document, live: Mapping[str, Any]) -> Document:
    """The object as the cluster would hold it after an apply: one generation on, where its spec differs."""
    metadata = live.get("metadata") or {}
    generation = metadata.get("generation", 0)
    spec = applied_spec(document, live) if live else document.get("spec")
    is_same = bool(live) and parse_spec({**document, "spec": spec}) == parse_spec(live)
    return {
        "metadata": {**document["metadata"], **metadata, "generation": generation if is_same else generation + 1},
        "spec": spec,
        "status": _with_secrets(live),
    }


def _with_secrets(live: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The status of the object, which an older operator wrote without what it took from Secrets: its spec says that."""
    status = live.get("status")
    if not status:
        return None
    spec = parse_spec(live)
    plain = {f"{spec.path}/{item.name}" for item in spec.parameters if item.is_plaintext_secret}
    listed = [{**item, "secret": True} if item["name"] in plain else item for item in status.get("parameters") or ()]
    return {**status, "parameters": listed}


def _owner(document: Document, known: Known) -> Owner:
    metadata = document["metadata"]
    uid = known.live["metadata"]["uid"] if known.live else ""
    return Owner(known.cluster, metadata["namespace"], metadata["name"], uid)

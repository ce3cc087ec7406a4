"""Plan objects in files or in the cluster for CLI commands, with their state in the cluster if there is one."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dynconfig import wiring
from dynconfig.api.model import refused_edits
from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.files import BadFile, Document, Manifests
from dynconfig.cli.kubectl_apply import applied_spec
from dynconfig.cli.neighbours import Neighbours, key_of
from dynconfig.engine.assessment import Assessment
from dynconfig.engine.observe import Observation
from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Declaration, ReadSource, Source
from dynconfig.model.errors import (
    DynConfigError,
    InvalidSpec,
    NotAllowed,
    PathNotAllowed,
    Retryable,
    SourceMissing,
)
from dynconfig.model.key import Key
from dynconfig.model.plan import Plan, Step, Update
from dynconfig.model.resource import Owner, Resource, Versioned
from dynconfig.model.secret import NOT_KNOWN, UnknownSecret, UnreadableSecret
from dynconfig.settings import Settings, Tenancy
from dynconfig.tenants import Tenants
from dynconfig.validation.declare import declare, declare_deletion, parse_spec

ATTEMPTS = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The state of an object in the cluster."""

    cluster: str
    live: Document | None
    read: ReadSource
    others: Callable[[], Sequence[Document]] = tuple
    """Returns all objects of the cluster that may be read."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What commands read from the cluster, or, without one, know instead."""

    state_of: Callable[[Document], ClusterState]
    """Returns the state of an object by its namespace and name."""
    targets: ClusterTargets


@dataclass(frozen=True, slots=True)
class Planned:
    """One object and its plan."""

    document: Document
    assessment: Assessment
    live: Document | None
    """The object in the cluster."""
    unreadable: tuple[str, ...] = ()
    """Names of the parameters that cannot be decrypted here and whose version is the one the operator reported."""

    @property
    def declaration(self) -> Declaration:
        """The declaration that is applied."""
        return self.assessment.declaration

    @property
    def plan(self) -> Plan:
        """The steps, and those that are delayed."""
        return self.assessment.plan

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the parameters whose value is in a Secret that is not available here."""
        return tuple(item.name for item in self.declaration.parameters if isinstance(item.value, UnknownSecret))

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Names of the parameters whose values are not compared."""
        return tuple(dict.fromkeys((*self.unknown, *self.unreadable)))


@dataclass(frozen=True, slots=True)
class PlanFailure:
    """One object, and why it could not be planned."""

    document: Document
    error: DynConfigError
    live: Document | None = None
    """The object in the cluster."""

    @property
    def messages(self) -> tuple[str, ...]:
        """The errors, each with the title of the object."""
        faults = self.error.faults if isinstance(self.error, InvalidSpec) else (str(self.error),)
        return tuple(f"{title(self.document)}: {fault}" for fault in faults)


def validate_hint(files: Sequence[Path] | None, found: Sequence[Planned | PlanFailure]) -> str | None:
    """Return how to see the lines of invalid specs; None if no spec in files is invalid."""
    is_invalid = any(isinstance(each, PlanFailure) and isinstance(each.error, InvalidSpec) for each in found)
    if not files or not is_invalid:
        return None
    options = " ".join(f"-f {shlex.quote(str(file))}" for file in files)
    return f"Run `dynconfig validate {options}` to see the lines of errors in the manifests."


class Planner:
    """Plans objects one after another with one engine."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        region: str,
        accounts: Accounts,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        # The policy of the cluster is unknown here, unless it is set in the environment.
        self._tenant_of = Tenants(settings, Tenancy.SINGLE)
        self._engine = engine
        self._region = region
        self._accounts = accounts
        self._now = now

    @classmethod
    def of(cls, settings: Settings, accounts: Accounts, at_once: Executor | None = None) -> "Planner":
        """Return a planner whose kinds read AWS concurrently, with an executor. Raises BadSetting."""
        return cls(settings, accounts.engine(at_once), wiring.default_region(settings), accounts)

    def planned(self, document: Document, manifests: Manifests, state: ClusterState) -> Planned | PlanFailure:
        """Plan applying the object."""
        return self._attempt(document, state, lambda: self._declared(document, manifests, state))

    def deleted(self, document: Document, manifests: Manifests, state: ClusterState) -> Planned | PlanFailure:
        """Plan deleting the object together with all other selected objects of the files."""
        return self._attempt(document, state, lambda: self._declared_deletion(document, manifests, state))

    def wanted(self, document: Document, manifests: Manifests, state: ClusterState) -> tuple[Resource, ...]:
        """Return the desired resources without reading AWS. Raises DynConfigError."""

        def read(source: Source) -> str | None:
            # A value that is masked, or of which only the name is used, need not exist.
            try:
                text = state.read(source)
            except SourceMissing:
                text = None
            return NOT_KNOWN if text is None else text

        return self._engine.desired(self._declared(document, manifests, replace(state, read=read)))

    def _attempt(
        self, document: Document, state: ClusterState, declared: Callable[[], Declaration]
    ) -> Planned | PlanFailure:
        try:
            declaration = declared()
            return _with_retries(lambda: self._planned(document, declaration, state))
        except DynConfigError as error:
            return PlanFailure(document, error, state.live)

    def _planned(self, document: Document, declaration: Declaration, state: ClusterState) -> Planned:
        # No role is assumed for an object that its namespace may not have.
        self._accounts.verify(declaration.place.target)
        mine, observations = self._identified(declaration, state)
        found = self._engine.assess(mine, self._now(), observations)
        unreadable = [step for step in found.plan.steps if _is_known_to_operator(step, found.declaration)]
        steps = tuple(step for step in found.plan.steps if step not in unreadable)
        names = tuple(step.resource.name for step in unreadable)
        return Planned(document, replace(found, plan=replace(found.plan, steps=steps)), state.live, names)

    def _identified(
        self, declaration: Declaration, state: ClusterState
    ) -> tuple[Declaration, tuple[Observation, ...] | None]:
        """Without a cluster, an owner in AWS of the same namespace and name is taken to be this object."""
        if state.cluster:
            return declaration, None
        new = replace(declaration, never_written=True)
        observations = tuple(self._engine.observations(new))
        for resource in (resource for observation in observations for resource in observation.observed):
            owner = Owner.parse(resource.owner)
            if owner and owner.title == declaration.owner.title:
                return replace(declaration, owner=owner, never_written=False), None
        return new, observations

    def _declared(self, document: Document, manifests: Manifests, state: ClusterState) -> Declaration:
        namespace = document["metadata"]["namespace"]
        applied = as_applied(document, state.live or {})
        _refuse_edit(applied, state.live)

        def read(source: Source) -> str | None:
            try:
                text = manifests.text(namespace, source)
            except BadFile as error:
                raise InvalidSpec(str(error)) from None
            return text if text is not None else state.read(source)

        target = self._accounts.target_of(applied)
        if target is None:
            region, tenant, allowed_regions = self._region, self._tenant_of(namespace), self._settings.allowed_regions
        else:
            region, tenant, allowed_regions = target.region, self._accounts.tenant_in(namespace, target.name), ()
        try:
            declaration = declare(
                applied,
                owner=_owner(document, state),
                default_region=region,
                read=read,
                tenant=tenant,
                is_own_layer=wiring.is_own_layer,
                is_region=wiring.is_region,
                allowed_regions=allowed_regions,
                target=target,
            )
        except (PathNotAllowed, NotAllowed) as error:
            if tenant.is_known:
                raise
            raise type(error)(
                f"{error}. The labels of namespace {namespace} are unknown here, so no rule applies that selects by them"
            ) from None
        return self._with_neighbours(declaration, manifests, state)

    def _declared_deletion(self, document: Document, manifests: Manifests, state: ClusterState) -> Declaration:
        if state.live is None:
            parse_spec(document)
        doomed = state.live or {**document, "status": None}
        declaration = declare_deletion(
            doomed,
            owner=_owner(document, state),
            default_region=self._region,
            target=self._accounts.target_of(doomed),
        )
        return self._with_neighbours(declaration, manifests, state, gone=[key_of(each) for each in manifests.configs])

    def _with_neighbours(
        self, declaration: Declaration, manifests: Manifests, state: ClusterState, gone: Sequence[Key] = ()
    ) -> Declaration:
        """Add the other objects of files and cluster, which may take over parameters of this one."""
        files = (*manifests.configs, *manifests.other_configs)
        neighbours = Neighbours(files, state.others, self._region, self._tenant_of, self._accounts, gone=gone)
        successor_of = neighbours.successor_of(declaration.owner, declaration.place)
        return replace(declaration, successor_of=successor_of, gives_up=neighbours.gives_up)


def _is_known_to_operator(step: Step, declaration: Declaration) -> bool:
    """Whether only an unreadable value differs, at a version that the operator has observed and need not read again.

    Without a status, what the operator has observed is unknown.
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
    """Return the title of an object in messages: NAMESPACE/NAME."""
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"


def _with_retries(call: Callable[[], T]) -> T:
    """Retry transient errors a few times without a delay, because a user is waiting."""
    for _ in range(ATTEMPTS - 1):
        try:
            return call()
        except Retryable:
            continue
    return call()


def _refuse_edit(applied: Document, live: Document | None) -> None:
    """Raise InvalidSpec if the API server would reject the edit of the existing object."""
    if live and (refused := list(refused_edits(parse_spec(live), parse_spec(applied)))):
        raise InvalidSpec("; ".join(refused))


def as_applied(document: Document, live: Mapping[str, Any]) -> Document:
    """Return the object as it would be stored after an apply: with the next generation, if its spec differs."""
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
    """Return the status, with `secret` set from spec: older operators did not report it."""
    status = live.get("status")
    if not status:
        return None
    spec = parse_spec(live)
    plain = {f"{spec.path}/{item.name}" for item in spec.parameters if item.is_plaintext_secret}
    listed = [{**item, "secret": True} if item["name"] in plain else item for item in status.get("parameters") or ()]
    return {**status, "parameters": listed}


def _owner(document: Document, state: ClusterState) -> Owner:
    metadata = document["metadata"]
    uid = state.live["metadata"]["uid"] if state.live else ""
    return Owner(state.cluster, metadata["namespace"], metadata["name"], uid)

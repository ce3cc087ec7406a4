"""Uninstalls the operator and keeps all AWS resources: removes owner tags and finalizers, and deletes the objects."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from dynconfig import wiring
from dynconfig.api import names
from dynconfig.cli.accounts import Accounts
from dynconfig.cli.files import Document
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kube.finalizer import has_finalizer
from dynconfig.kube.writer import Writer
from dynconfig.model.counting import counted
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import Conflict, DynConfigError, NotOwned, NotPossible, Retryable, Terminal
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner, Resource
from dynconfig.model.target import Target
from dynconfig.settings import Settings
from dynconfig.validation.declare import declare_deletion, keeping, was_observed
from dynconfig.validation.targets import parse_target

RETRY_SECONDS = 60.0
"""How long a release is retried while AWS is unavailable."""
STOP_SECONDS = 120.0
IDLE_SECONDS = 20.0
"""A running operator releases an abandoned object within this time: its maximum turn, plus some seconds."""
_FIRST_DELAY = 0.5
_SHOWN = 5
_GITOPS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


@dataclass(frozen=True, slots=True)
class Removal:
    """An object to delete, and the AWS resources that it owns, which are kept."""

    document: Document
    declaration: Declaration
    owned: tuple[Resource, ...]
    is_written: bool = True
    """Whether AWS resources may exist; False for an object that was never accepted, for example with an unknown region."""

    @property
    def title(self) -> str:
        """The name of the object in messages."""
        return self.declaration.owner.title

    @property
    def applied_by(self) -> str:
        """The GitOps tool that would create it again; empty if there is none."""
        metadata = self.document["metadata"]
        marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
        return next((tool for mark, tool in _GITOPS.items() if mark in marks), "")


class Uninstaller:
    """Releases the objects of a cluster one by one. Raises DynConfigError, ApiRefused, NoCluster."""

    def __init__(self, settings: Settings, writer: Writer, engine: Engine, region: str, accounts: Accounts) -> None:
        self._settings = settings
        self._writer = writer
        self._engine = engine
        self._region = region
        self._accounts = accounts
        self._cluster = settings.cluster_id or writer.cluster_id()

    def objects(self) -> list[Removal]:
        """Return all objects of the cluster with the resources they own. Raises NotOwned if the cluster ID in AWS differs."""
        return [self._removal(document) for document in self._writer.objects(None)[0]]

    def has_deployment(self) -> bool:
        """Return whether the operator has a Deployment in this cluster."""
        return bool(self._writer.operators())

    def stop(self) -> Iterator[str]:
        """Scale down the operator's Deployments; yield each title when its pods are gone. Raises DynConfigError."""
        for deployment in self._writer.operators():
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            if deployment["spec"].get("replicas"):
                self._writer.stop(deployment)
                _wait(partial(self._is_stopped, namespace), f"pods of Deployment {namespace}/{name} are still running")
                yield f"{namespace}/{name}"

    def mark(self, removal: Removal) -> Removal:
        """Annotate the object as abandoned and delete it; return it with the resources that a running operator added since.

        From now on the operator deletes no AWS resource for it; a running one releases it after the current reconcile.
        """
        metadata = removal.document["metadata"]
        key = _key(removal)
        self._writer.abandon(key)
        self._writer.delete(key, metadata["uid"])
        found = self._writer.object(key)
        if found is None or found["metadata"]["uid"] != metadata["uid"]:
            return removal
        later = self._declaration(found)
        # What had written nothing had no place.
        merged = _merged(removal.declaration, later) if removal.is_written else later
        return replace(removal, declaration=merged, is_written=removal.is_written or _may_own(found))

    def await_operator(self, removals: Iterable[Removal]) -> Iterator[str]:
        """Yield the title of each marked object that a running operator releases.

        Ends when all are gone, or when none was released for IDLE_SECONDS, which means that no operator is running.
        """
        waiting, deadline = list(removals), time.monotonic() + IDLE_SECONDS
        while waiting and time.monotonic() < deadline:
            remaining = [item for item in waiting if self._exists(item)]
            for item in waiting:
                if item not in remaining:
                    deadline = time.monotonic() + IDLE_SECONDS
                    yield item.title
            if remaining:
                time.sleep(_FIRST_DELAY)
            waiting = remaining

    def release(self, removal: Removal) -> None:
        """Remove the owner from the AWS resources, then the finalizer from the object; can be repeated after a failure."""
        if removal.is_written:
            outcome = _retried(lambda: self._engine.run(removal.declaration, now=time.time()))
            if outcome.error:
                raise outcome.error
        self._writer.release(_key(removal), removal.document["metadata"]["uid"])

    def check(self, removals: Iterable[Removal]) -> None:
        """Observe again and release resources that an operator has written since.

        Raises Conflict if an owner tag, an object or a scaled-up Deployment remains.
        """
        for item in (item for item in removals if item.is_written):
            deadline = time.monotonic() + RETRY_SECONDS
            while owned := self._owned(item):
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"{item.title} still owns {', '.join(owned[:_SHOWN])}: an operator is still running; stop it"
                    )
                _retried(lambda item=item: self._engine.run(item.declaration, now=time.time()))  # type: ignore[misc]
        objects = self._writer.objects(None)[0]
        if objects:
            titles = ", ".join(f"{i['metadata']['namespace']}/{i['metadata']['name']}" for i in objects[:_SHOWN])
            raise Conflict(
                f"{counted(len(objects), 'object')} created in the meantime: {titles}; run the command again"
            )
        for deployment in self._writer.operators():
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            if deployment["spec"].get("replicas"):
                raise Conflict(
                    f"Deployment {namespace}/{name} was scaled up in the meantime; find out by whom, then: "
                    f"kubectl -n {namespace} scale deployment {name} --replicas=0"
                )

    def remove_events(self, removals: Iterable[Removal]) -> Iterator[str]:
        """Delete the event queues and rules in the regions of these objects, in the default region and in all targets.

        Yields what was deleted, and the targets that could not be searched: these credentials may not assume their roles.
        """
        places = (item.declaration.place for item in removals if item.is_written)
        regions = sorted({self._region, *(place.region for place in places if place.target is None)})
        for region in regions:
            for title in wiring.remove_events(self._settings, self._cluster, Place(region)):
                yield f"{title} in {region}: deleted"
        for document in self._writer.targets():
            yield from self._remove_target_events(document)

    def _remove_target_events(self, document: Document) -> Iterator[str]:
        name = document["metadata"]["name"]
        try:
            target = Target.of(name, parse_target(document))
            place = Place(target.region, target)
            for title in wiring.remove_events(self._settings, self._cluster, place):
                yield f"{title} in {place.title}: deleted"
        except DynConfigError as error:
            marked = f"{names.CLUSTER_TAG}={self._cluster}"
            yield f"AWSTarget {name}: not searched: {error}. Delete queues and rules with the tag {marked} there"

    def release_targets(self) -> Iterator[str]:
        """Remove the operator's finalizer from all AWSTargets, which no object uses any more; yield each title."""
        for document in self._writer.targets():
            metadata = document["metadata"]
            if names.TARGET_FINALIZER in (metadata.get("finalizers") or ()):
                self._writer.release_target(metadata["name"], metadata["uid"])
                yield f"AWSTarget {metadata['name']}"

    def _removal(self, document: Document) -> Removal:
        declaration = self._declaration(document)
        if not _may_own(document):
            return Removal(document, declaration, (), is_written=False)
        owner, seen = declaration.owner, self._engine.observe(declaration)
        self._check_cluster_id(owner, seen)
        return Removal(document, declaration, tuple(item for item in seen if item.owner == owner.tag))

    def _declaration(self, document: Document) -> Declaration:
        metadata = document["metadata"]
        try:
            target = self._accounts.target_of(document) if _may_own(document) else None
            self._accounts.verify(target)
        except Terminal as error:
            namespace, name = metadata["namespace"], metadata["name"]
            raise NotPossible(
                f"{namespace}/{name}: {error}. Or, while the operator runs, delete the object, or run "
                f"`dynconfig abandon -n {namespace} {name}`, which leaves its resources in AWS"
            ) from None
        owner = Owner(self._cluster, metadata["namespace"], metadata["name"], metadata["uid"])
        deletion = declare_deletion(document, owner=owner, default_region=self._region, target=target)
        return replace(keeping(deletion), suspended=False)

    def _owned(self, removal: Removal) -> list[str]:
        tag, declaration = removal.declaration.owner.tag, _without_attachments(removal.declaration)
        return [resource.title for resource in self._engine.observe(declaration) if resource.owner == tag]

    def _exists(self, removal: Removal) -> bool:
        found = self._writer.object(_key(removal))
        return found is not None and found["metadata"]["uid"] == removal.document["metadata"]["uid"]

    def _is_stopped(self, namespace: str) -> bool:
        return not self._writer.pods(namespace)

    def _check_cluster_id(self, owner: Owner, seen: Iterable[Resource]) -> None:
        """Raise NotOwned if the operator uses another cluster ID than this command."""
        for resource in seen:
            found = Owner.parse(resource.owner)
            if found and found.uid == owner.uid and found.cluster != owner.cluster:
                raise NotOwned(
                    f"{resource.title} belongs to {owner.title} in cluster {found.cluster}, the operator's ID of this cluster; "
                    f"set DYNCONFIG_CLUSTER_ID={found.cluster} and run the command again"
                )


def next_commands() -> tuple[str, ...]:
    """Return the remaining commands, in order."""
    definitions = f"{names.PLURAL}.{names.GROUP} {names.TARGET_PLURAL}.{names.GROUP}"
    return (
        f"kubectl annotate crd {definitions} {names.ALLOW_DELETION}=true",
        "kubectl delete -k manifests/install",
        "  or, for a Helm installation: helm uninstall dynconfig-operator -n dynconfig-system && kubectl delete -k crds",
    )


def _key(removal: Removal) -> Key:
    metadata = removal.document["metadata"]
    return Key(metadata["namespace"], metadata["name"])


def _may_own(document: Document) -> bool:
    """Whether AWS may have resources of an object."""
    return has_finalizer(document) or was_observed(document)


def _without_attachments(declaration: Declaration) -> Declaration:
    """Leave out the attachments of status: a released function still has our environment, but only an owned one has tags."""
    applied = declaration.applied
    if applied is None:
        return declaration
    resources = tuple(resource for resource in applied.resources if resource.kind != Attachment.kind)
    return replace(declaration, applied=replace(applied, resources=resources))


def _merged(earlier: Declaration, later: Declaration) -> Declaration:
    """Merge two deletions of one object into one that covers the resources of both."""
    if earlier.applied is None or later.applied is None:
        return earlier
    versions = {**earlier.applied.versions, **later.applied.versions}
    # The later report of a resource is the better one.
    resources = {(item.kind, item.name): item for item in (*earlier.applied.resources, *later.applied.resources)}
    return replace(earlier, applied=replace(later.applied, versions=versions, resources=tuple(resources.values())))


def _retried(run: Callable[[], Outcome]) -> Outcome:
    """Retry until the outcome is complete, has a terminal error, or RETRY_SECONDS have passed."""
    deadline, delay = time.monotonic() + RETRY_SECONDS, _FIRST_DELAY
    while True:
        outcome = run()
        if outcome.is_complete or (outcome.error and not isinstance(outcome.error, Retryable)):
            return outcome
        if time.monotonic() > deadline:
            return outcome
        time.sleep(delay)
        delay = min(2 * delay, 5.0)


def _wait(condition: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DynConfigError(f"{message} after {STOP_SECONDS:.0f} s; stop the operator, then run the command again")
        time.sleep(_FIRST_DELAY)

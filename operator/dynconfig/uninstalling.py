"""Takes the operator out of a cluster and leaves everything in AWS: owners off, finalizers off, objects deleted."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from dynconfig import wiring
from dynconfig.api import names
from dynconfig.engine.counting import counted
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.declare import declare_deletion, keeping, was_observed
from dynconfig.engine.errors import Conflict, DynConfigError, NotOwned, Retryable
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner, Resource
from dynconfig.engine.work_queue import Key
from dynconfig.files import Document
from dynconfig.kube.finalizer import has_finalizer
from dynconfig.kube.writer import Writer
from dynconfig.settings import Settings

PATIENCE = 60.0
"""How long a release is tried again when AWS does not answer, in seconds."""
STOP_SECONDS = 120.0
IDLE_SECONDS = 20.0
"""An operator that runs releases one of the abandoned objects within this time: its longest turn, and some seconds."""
_FIRST_DELAY = 0.5
_SHOWN = 5
_GITOPS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


@dataclass(frozen=True, slots=True)
class Leaving:
    """An object that goes, and what it owns in AWS, which stays."""

    document: Document
    declaration: Declaration
    owned: tuple[Resource, ...]
    is_written: bool = True
    """Whether anything may be in AWS; not for an object that was never accepted, such as one of an unknown region."""

    @property
    def title(self) -> str:
        """The object as messages name it."""
        return self.declaration.owner.title

    @property
    def applied_by(self) -> str:
        """The GitOps tool that would bring it back; empty if there is none."""
        metadata = self.document["metadata"]
        marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
        return next((tool for mark, tool in _GITOPS.items() if mark in marks), "")


class Uninstaller:
    """Releases the objects of a cluster one after the other. Raises DynConfigError, ApiRefused, NoCluster."""

    def __init__(self, settings: Settings, writer: Writer, engine: Engine, region: str) -> None:
        self._settings = settings
        self._writer = writer
        self._engine = engine
        self._region = region
        self._cluster = settings.cluster_id or writer.cluster_id()

    def objects(self) -> list[Leaving]:
        """All objects of the cluster, with what they own. Raises NotOwned where the cluster's name in AWS is another."""
        return [self._leaving(document) for document in self._writer.objects(None)[0]]

    def has_deployment(self) -> bool:
        """Whether the operator has a Deployment in this cluster; else it runs elsewhere, if at all."""
        return bool(self._writer.operators())

    def stop(self) -> Iterator[str]:
        """Title of each Deployment of the operator, once its pods are gone. Raises Retryable."""
        for deployment in self._writer.operators():
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            if deployment["spec"].get("replicas"):
                self._writer.stop(deployment)
                _wait(partial(self._is_stopped, namespace), f"pods of Deployment {namespace}/{name} still run")
                yield f"{namespace}/{name}"

    def mark(self, leaving: Leaving) -> Leaving:
        """Have the object abandoned and deleted; answers it with what an operator that runs has made of it until now.

        From here on no operator deletes anything for it, and one that runs releases it after the reconcile that is under way.
        """
        metadata = leaving.document["metadata"]
        key = _key(leaving)
        self._writer.abandon(key)
        self._writer.delete(key, metadata["uid"])
        found = self._writer.object(key)
        if found is None or found["metadata"]["uid"] != metadata["uid"]:
            return leaving
        is_written = leaving.is_written or has_finalizer(found) or was_observed(found)
        return replace(
            leaving, declaration=_together(leaving.declaration, self._declaration(found)), is_written=is_written
        )

    def await_operator(self, leaving: Iterable[Leaving]) -> Iterator[str]:
        """Title of each marked object that an operator which runs lets go: it has ended its work on that object by then.

        Ends when all are gone, or when none has gone for IDLE_SECONDS, so that no operator runs.
        """
        waiting, deadline = list(leaving), time.monotonic() + IDLE_SECONDS
        while waiting and time.monotonic() < deadline:
            left = [item for item in waiting if self._exists(item)]
            for item in waiting:
                if item not in left:
                    deadline = time.monotonic() + IDLE_SECONDS
                    yield item.title
            if left:
                time.sleep(_FIRST_DELAY)
            waiting = left

    def release(self, leaving: Leaving) -> None:
        """Leave in AWS what the object owns, without an owner, and let the object go; may be repeated after a failure."""
        if leaving.is_written:
            outcome = _patiently(lambda: self._engine.run(leaving.declaration, now=time.time()))
            if outcome.error:
                raise outcome.error
        self._writer.release(_key(leaving), leaving.document["metadata"]["uid"])

    def check(self, leaving: Iterable[Leaving]) -> None:
        """Look once more, and release what an operator wrote meanwhile.

        Raises Conflict where an owner tag, another object or an operator that was stopped is there all the same.
        """
        for item in (item for item in leaving if item.is_written):
            deadline = time.monotonic() + PATIENCE
            while owned := self._owned(item):
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"{item.title} still owns {', '.join(owned[:_SHOWN])}: an operator writes it; stop it"
                    )
                _patiently(lambda item=item: self._engine.run(item.declaration, now=time.time()))  # type: ignore[misc]
        objects = self._writer.objects(None)[0]
        if objects:
            titles = ", ".join(f"{i['metadata']['namespace']}/{i['metadata']['name']}" for i in objects[:_SHOWN])
            raise Conflict(f"{counted(len(objects), 'object')} came into being meanwhile: {titles}")
        for deployment in self._writer.operators():
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            if deployment["spec"].get("replicas"):
                raise Conflict(
                    f"Deployment {namespace}/{name} was scaled up meanwhile; see what does so, then: "
                    f"kubectl -n {namespace} scale deployment {name} --replicas=0"
                )

    def remove_events(self, leaving: Iterable[Leaving]) -> Iterator[str]:
        """What brought events to the operator in the regions of these objects and in its own, once it is removed."""
        regions = sorted({self._region, *(item.declaration.place.region for item in leaving if item.is_written)})
        for region in regions:
            for title in wiring.remove_events(self._settings, self._cluster, region):
                yield f"{title} in {region}"

    def _leaving(self, document: Document) -> Leaving:
        declaration = self._declaration(document)
        if not (has_finalizer(document) or was_observed(document)):
            return Leaving(document, declaration, (), is_written=False)
        owner, seen = declaration.owner, self._engine.observe(declaration)
        self._refuse_other_name(owner, seen)
        return Leaving(document, declaration, tuple(item for item in seen if item.owner == owner.tag))

    def _declaration(self, document: Document) -> Declaration:
        metadata = document["metadata"]
        owner = Owner(self._cluster, metadata["namespace"], metadata["name"], metadata["uid"])
        deletion = declare_deletion(document, owner=owner, default_region=self._region)
        return replace(keeping(deletion), suspended=False)

    def _owned(self, leaving: Leaving) -> list[str]:
        tag = leaving.declaration.owner.tag
        return [resource.title for resource in self._engine.observe(leaving.declaration) if resource.owner == tag]

    def _exists(self, leaving: Leaving) -> bool:
        found = self._writer.object(_key(leaving))
        return found is not None and found["metadata"]["uid"] == leaving.document["metadata"]["uid"]

    def _is_stopped(self, namespace: str) -> bool:
        return not self._writer.pods(namespace)

    def _refuse_other_name(self, owner: Owner, seen: Iterable[Resource]) -> None:
        """The operator may have been given another name for this cluster than is known here."""
        for resource in seen:
            found = Owner.parse(resource.owner)
            if found and found.uid == owner.uid and found.cluster != owner.cluster:
                raise NotOwned(
                    f"{resource.title} belongs to {owner.title} in cluster {found.cluster}, as the operator calls this cluster; "
                    f"set DYNCONFIG_CLUSTER_ID={found.cluster} and run the command again"
                )


def next_commands() -> tuple[str, ...]:
    """What remains to be done with kubectl, in order."""
    definition = f"{names.PLURAL}.{names.GROUP}"
    return (
        f"kubectl annotate crd {definition} {names.ALLOW_DELETION}=true",
        "kubectl delete -k manifests/install",
        "  or, of a chart: helm uninstall dynconfig-operator -n dynconfig-system && kubectl delete -k crds",
    )


def _key(leaving: Leaving) -> Key:
    metadata = leaving.document["metadata"]
    return Key(metadata["namespace"], metadata["name"])


def _together(earlier: Declaration, later: Declaration) -> Declaration:
    """The deletion of all that an object declared or reported at two times."""
    if earlier.applied is None or later.applied is None:
        return earlier
    versions = {**earlier.applied.versions, **later.applied.versions}
    resources = tuple(dict.fromkeys((*earlier.applied.resources, *later.applied.resources)))
    return replace(earlier, applied=replace(later.applied, versions=versions, resources=resources))


def _patiently(run: Callable[[], Outcome]) -> Outcome:
    """The outcome once it is complete, or has failed for longer than a person waits."""
    deadline, delay = time.monotonic() + PATIENCE, _FIRST_DELAY
    while True:
        outcome = run()
        if outcome.is_complete or (outcome.error and not isinstance(outcome.error, Retryable)):
            return outcome
        if time.monotonic() > deadline:
            return outcome
        time.sleep(delay)
        delay = min(2 * delay, 5.0)


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DynConfigError(
                f"{otherwise} after {STOP_SECONDS:.0f} s; stop the operator, then run the command again"
            )
        time.sleep(_FIRST_DELAY)

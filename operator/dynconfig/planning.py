"""A plan from a file: what the operator would do, with what the cluster knows of the object where there is a cluster."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dynconfig import wiring
from dynconfig.engine.agenda import Key
from dynconfig.engine.declaration import Declaration, ReadSource, Source
from dynconfig.engine.declare import declare, parse_spec, sources
from dynconfig.engine.errors import Retryable, SourceMissing
from dynconfig.engine.plan import Plan
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner
from dynconfig.files import Document, Manifests
from dynconfig.kube import sources as kube_sources
from dynconfig.kube.client import ApiRefused, Kube, NoCluster
from dynconfig.settings import Settings

LOOKS = 5


@dataclass(frozen=True, slots=True)
class Known:
    """What the cluster knows about an object in a file."""

    cluster: str
    live: Document | None
    read: ReadSource


def plans(manifests: Manifests, settings: Settings, *, offline: bool) -> list[tuple[Document, Plan]]:
    """The plan of each object in the files. Raises DynConfigError, NoCluster, BadSetting, ApiRefused."""
    engine, region = wiring.engine(settings), wiring.default_region(settings)
    found: list[tuple[Document, Plan]] = []
    for document in manifests.configs:
        known = _offline(settings) if offline else asyncio.run(_ask(document, settings))
        declaration = _declaration(document, manifests, known, settings, region)
        found.append((document, _planned(engine, _with_owner(engine, declaration, known))))
    return found


def _planned(engine: Engine, declaration: Declaration) -> Plan:
    """A person waits: what may pass is tried again at once, a few times."""
    for _ in range(LOOKS - 1):
        try:
            return engine.plan(declaration)
        except Retryable:
            continue
    return engine.plan(declaration)


def _declaration(
    document: Document, manifests: Manifests, known: Known, settings: Settings, region: str
) -> Declaration:
    namespace, live = document["metadata"]["namespace"], known.live or {}

    def read(source: Source) -> str | None:
        text = manifests.text(namespace, source)
        return text if text is not None else known.read(source)

    return declare(
        _as_applied(document, live),
        owner=_owner(document, known),
        default_region=region,
        read=read,
        allowed_paths=settings.paths_of(namespace),
    )


def _as_applied(document: Document, live: Mapping[str, Any]) -> Document:
    """The file's spec as the cluster would hold it: one generation on, where it differs."""
    metadata = live.get("metadata") or {}
    generation = metadata.get("generation", 0)
    is_same = bool(live) and parse_spec(document) == parse_spec(live)
    return {
        "metadata": {**document["metadata"], **metadata, "generation": generation if is_same else generation + 1},
        "spec": document.get("spec"),
        "status": live.get("status"),
    }


def _owner(document: Document, known: Known) -> Owner:
    metadata = document["metadata"]
    uid = known.live["metadata"]["uid"] if known.live else ""
    return Owner(known.cluster, metadata["namespace"], metadata["name"], uid)


def _with_owner(engine: Engine, declaration: Declaration, known: Known) -> Declaration:
    """Without a cluster, an owner in AWS of the same namespace and name is taken to be this object."""
    if known.cluster:
        return declaration
    for resource in engine.observe(replace(declaration, untouched=True)):
        owner = Owner.parse(resource.owner)
        if owner and owner.title == declaration.owner.title:
            return replace(declaration, owner=owner, untouched=False)
    return declaration


def _offline(settings: Settings) -> Known:
    def read(source: Source) -> str | None:
        raise SourceMissing(
            f"{source} is not in the files, and --offline does not ask a cluster; add it with another -f"
        )

    return Known(settings.cluster_id or "", None, read)


async def _ask(document: Document, settings: Settings) -> Known:
    key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
    wanted = sources(parse_spec(document))
    try:
        kube = Kube.from_environment()
    except NoCluster:
        return _offline(settings)
    try:
        live = await _live(kube, key)
        cluster = settings.cluster_id or await kube.cluster_id()
        return Known(cluster, live, await kube_sources.read(kube, key.namespace, wanted))
    finally:
        await kube.close()


async def _live(kube: Kube, key: Key) -> Document | None:
    try:
        return await kube.object(key)
    except ApiRefused as error:
        if error.status == 404:
            return None
        raise

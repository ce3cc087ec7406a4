"""Cluster access of CLI commands; a separate module, since the client is slow to import."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from dynconfig.cli.accounts import ClusterTargets
from dynconfig.cli.files import Document
from dynconfig.cli.planning import Cluster, ClusterState
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiRefused, ObjectNotFound, source_text
from dynconfig.model.declaration import ReadSource, Source
from dynconfig.model.errors import SourceMissing, TargetNotFound
from dynconfig.model.key import Key
from dynconfig.settings import Settings


@contextmanager
def reading() -> Iterator[Reader]:
    """Provide a client of the configured cluster. Raises NoCluster."""
    reader = Reader.from_environment()
    try:
        yield reader
    finally:
        reader.close()


def objects(reader: Reader, names: Sequence[str], namespace: str | None, *, everywhere: bool) -> list[Document]:
    """Return the objects with these names, or all of the namespace or of all namespaces. Raises ObjectNotFound."""
    if not names:
        return reader.objects(None if everywhere else namespace or reader.namespace)[0]
    return [_object(reader, name, None if everywhere else namespace) for name in names]


def nothing(reader: Reader, namespace: str | None, *, everywhere: bool) -> str:
    """Return the message for an empty list."""
    if everywhere:
        return "no DynamicConfigs found in any namespace; apply one, or select another cluster with KUBECONFIG"
    inside = namespace or reader.namespace
    return (
        f"no DynamicConfigs found in namespace {inside}; select another with -n, or list all with `dynconfig status -A`"
    )


def connected(reader: Reader, settings: Settings) -> Cluster:
    """Return what commands read from the cluster."""
    targets = known_targets(reader, settings)

    def state_of(document: Document) -> ClusterState:
        metadata = document["metadata"]
        live = reader.object(Key(metadata["namespace"], metadata["name"]))
        return ClusterState(targets.id, live, source_reader(reader, metadata["namespace"]), others)

    @cache
    def others() -> tuple[Document, ...]:
        try:
            return tuple(reader.objects(None)[0])
        except ApiRefused:
            # Without permission to list all namespaces, moves between namespaces are not detected.
            return tuple(reader.objects(reader.namespace)[0])

    return Cluster(state_of, targets)


def known_targets(reader: Reader, settings: Settings) -> ClusterTargets:
    """Return what the cluster has of targets."""

    def find(name: str) -> Document | None:
        try:
            return reader.target(name)
        except ApiRefused as error:
            raise TargetNotFound(f"cannot read AWSTarget {name}: {error}; pass its manifest with another -f") from None

    @cache
    def labels(namespace: str) -> Mapping[str, str] | None:
        try:
            return reader.namespace_labels(namespace)
        except ApiRefused:
            return None

    return ClusterTargets(settings.cluster_id or reader.cluster_id(), find, labels)


def source_reader(reader: Reader, namespace: str) -> ReadSource:
    """Return a function that reads keys of Secrets and ConfigMaps, fetching each only once."""

    @cache
    def document(kind: str, name: str) -> Document | None:
        return reader.source(kind, namespace, name)

    def read(source: Source) -> str | None:
        try:
            return source_text(source, document(source.kind, source.name))
        except ApiRefused as error:
            raise SourceMissing(f"cannot read {source}: {error}; pass it as a file with -f") from None

    return read


def _object(reader: Reader, name: str, namespace: str | None) -> Document:
    named, _, name = name.rpartition("/")
    inside = named or namespace or reader.namespace
    found = reader.object(Key(inside, name))
    if found is None:
        hint = "list all with `dynconfig status -A`" if named or namespace else "specify the namespace with -n"
        raise ObjectNotFound(f"DynamicConfig {inside}/{name} not found; {hint}")
    return found

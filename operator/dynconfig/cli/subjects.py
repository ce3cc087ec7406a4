"""The objects that a command is about: in files or in the cluster; and what the cluster knows of them."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dynconfig import files
from dynconfig.cli.failures import Failed
from dynconfig.engine.declaration import Source
from dynconfig.engine.errors import SourceMissing
from dynconfig.engine.secret import NOT_KNOWN
from dynconfig.files import Document, Manifests, Origin
from dynconfig.planning import Known, Planned, Planner, Unplanned, title
from dynconfig.settings import Settings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
# What a plan costs is mostly the making of clients, which more threads only hinder.
LOOKERS = 4
_WITHOUT_CLUSTER = "with --offline, manifests are compared with AWS alone"


@dataclass(frozen=True, slots=True)
class Subjects:
    """The objects, and where to ask about them."""

    manifests: Manifests
    settings: Settings
    offline: bool

    def plans(self, *, deleting: bool = False) -> list[Planned | Unplanned]:
        """What would be done about each object. Raises BadSetting, NoCluster, ApiRefused, ApiUnavailable."""
        with _threads() as threads, self.knowing() as known:
            planner = Planner.of(self.settings, threads)
            if deleting:
                return [
                    planner.deleted(document, self.manifests, known(document)) for document in self.manifests.configs
                ]
            return [planner.planned(document, self.manifests, known(document)) for document in self.manifests.configs]

    @contextmanager
    def knowing(self) -> Iterator[Callable[[Document], Known]]:
        """Answers what the cluster knows of an object; nothing where there is none, or it is not to be asked."""
        if self.offline or not may_have_cluster(os.environ):
            yield lambda _document: Known(self.settings.cluster_id or "", None, _offline)
            return
        # The client of the cluster takes long to import.
        from dynconfig import cluster
        from dynconfig.kube.responses import ApiRefused, ApiUnavailable, NoCluster

        try:
            with cluster.reading() as reader:
                yield cluster.asked(reader, self.settings)
        except (ApiRefused, ApiUnavailable, NoCluster) as error:
            raise Failed(f"{error}; {_WITHOUT_CLUSTER}") from None


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Threads to look with; nobody waits for one that still asks AWS, above all not after Ctrl-C."""
    threads = ThreadPoolExecutor(LOOKERS)
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def chosen(
    file: Sequence[Path] | None,
    names: Sequence[str] | None,
    namespace: str | None,
    *,
    offline: bool,
    everywhere: bool = False,
) -> Subjects:
    """The objects in files, or those of the cluster. Raises Failed, BadFile, BadSetting, NoCluster, ObjectNotFound."""
    settings = Settings.from_environment(os.environ)
    if file:
        inside = namespace or _usual_namespace(offline=offline)
        return Subjects(named(files.read(file, inside), names or ()), settings, offline)
    if offline:
        raise Failed("--offline needs manifests: name them with -f FILE")
    if not may_have_cluster(os.environ):
        raise Failed("name manifests with -f FILE, or a cluster with KUBECONFIG")
    from dynconfig import cluster

    with cluster.reading() as reader:
        found = cluster.objects(reader, names or (), namespace, everywhere=everywhere)
        if not found:
            raise Failed(f"{cluster.nothing(reader, namespace, everywhere=everywhere)}; or name manifests with -f FILE")
    return Subjects(Manifests(tuple(found), (), {}), settings, offline)


def named(manifests: Manifests, names: Sequence[str]) -> Manifests:
    """Those objects of the files that are named, by NAME or NAMESPACE/NAME; all where none is. Raises Failed."""
    if not names:
        return manifests
    configs, origins = zip(*(pair for name in names for pair in _matching(manifests, name)), strict=True)
    beside = tuple(document for document in manifests.configs if document not in configs)
    return Manifests(configs, origins, manifests.sources, beside=beside)


def shortest_names(documents: Sequence[Document]) -> list[str]:
    """How to name each of these objects: by its name alone, where no other has it."""
    often = Counter(document["metadata"]["name"] for document in documents)
    return [
        document["metadata"]["name"] if often[document["metadata"]["name"]] == 1 else title(document)
        for document in documents
    ]


def may_have_cluster(environment: Mapping[str, str]) -> bool:
    """Whether there is a kubeconfig with anything in it, or a service account; what it says is not looked at."""
    listed = environment.get("KUBECONFIG")
    found = [Path(name) for name in listed.split(os.pathsep)] if listed else [Path.home() / ".kube" / "config"]
    return SERVICE_ACCOUNT.exists() or any(file.is_file() and file.stat().st_size for file in found)


def _usual_namespace(*, offline: bool) -> str:
    """That of the kubeconfig's context, as for kubectl; `default` where no cluster is asked."""
    if offline or not may_have_cluster(os.environ):
        return "default"
    from dynconfig.kube.responses import NoCluster, config

    try:
        return str(config().namespace)
    except NoCluster as error:
        raise Failed(f"{error}; {_WITHOUT_CLUSTER}") from None


def _offline(source: Source) -> str | None:
    if source.kind == "Secret":
        # It is masked anyway.
        return NOT_KNOWN
    raise SourceMissing(f"{source} is not in the files, and no cluster is asked for it; add it with another -f")


def _matching(manifests: Manifests, name: str) -> list[tuple[Document, Origin]]:
    found = [pair for pair in _placed(manifests) if name in (pair[0]["metadata"]["name"], title(pair[0]))]
    if not found:
        known = ", ".join(shortest_names(manifests.configs))
        raise Failed(f"there is no DynamicConfig {name} in the files; there are {known}")
    titles = sorted({title(document) for document, _ in found})
    if len(titles) > 1:
        raise Failed(f"several objects of the files are called {name}; name one of them: {', '.join(titles)}")
    return found


def _placed(manifests: Manifests) -> Iterator[tuple[Document, Origin]]:
    return zip(manifests.configs, manifests.origins, strict=True)

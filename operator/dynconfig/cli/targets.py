"""The objects that a command works on, from files or from the cluster, and their state in the cluster."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dynconfig import wiring
from dynconfig.cli import files
from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.failures import Failed
from dynconfig.cli.files import Document, Manifests, Origin
from dynconfig.cli.planning import Cluster, ClusterState, PlanFailure, Planned, Planner, title
from dynconfig.model.declaration import Source
from dynconfig.model.errors import SourceMissing
from dynconfig.model.secret import NOT_KNOWN
from dynconfig.model.target import Target
from dynconfig.settings import Settings
from dynconfig.wiring import Clients

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
# Most of the time of a plan is spent creating clients, which more threads would slow down.
PLAN_THREADS = 4
_WITHOUT_CLUSTER = "use --offline to compare manifests with AWS only"


@dataclass(frozen=True, slots=True)
class Targets:
    """The selected objects, the settings, and whether the cluster may be contacted."""

    manifests: Manifests
    settings: Settings
    offline: bool

    def plans(self, *, deleting: bool = False) -> list[Planned | PlanFailure]:
        """Plan each object. Raises BadSetting, NoCluster, ApiRefused, ApiUnavailable."""
        with _threads() as threads, self.cluster() as cluster:
            planner, state_of = Planner.of(self.settings, self.accounts(cluster), threads), cluster.state_of
            if deleting:
                return [
                    planner.deleted(document, self.manifests, state_of(document)) for document in self.manifests.configs
                ]
            return [
                planner.planned(document, self.manifests, state_of(document)) for document in self.manifests.configs
            ]

    def accounts(self, cluster: Cluster, account: str | None = None) -> Accounts:
        """Return the accounts of the objects; with `account`, AWS is not asked for that of the caller's credentials."""
        return Accounts(self.settings, cluster.targets, self.manifests.targets, account=account)

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """Yield what can be read from the cluster; nothing with --offline or without a cluster."""
        with connected(self.settings, offline=self.offline) as found:
            yield found


@contextmanager
def connected(settings: Settings, *, offline: bool) -> Iterator[Cluster]:
    """Yield what can be read from the cluster; nothing if `offline` or without a cluster. Raises Failed."""
    if offline or not may_have_cluster(os.environ):
        cluster_id = settings.cluster_id or ""
        yield Cluster(lambda _document: ClusterState(cluster_id, None, _offline), ClusterTargets(cluster_id))
        return
    # Imported here because the Kubernetes client is slow to import.
    from dynconfig.cli import cluster
    from dynconfig.kube.responses import ApiRefused, ApiUnavailable, NoCluster

    try:
        with cluster.reading() as reader:
            yield cluster.connected(reader, settings)
    except (ApiRefused, ApiUnavailable, NoCluster) as error:
        raise Failed(f"{error}; {_WITHOUT_CLUSTER}") from None


def clients_in(
    settings: Settings, target: str, region: str | None, *, offline: bool = False
) -> tuple[Clients, str, Target | None]:
    """Return the clients of a target, empty for the caller's own account, their region, and the target.

    Raises Failed if the target is in another region, and as `Accounts.clients`.
    """
    if not target:
        return wiring.session(settings), region or wiring.default_region(settings), None
    with connected(settings, offline=offline) as cluster:
        accounts = Accounts(settings, cluster.targets)
        found = accounts.target(target)
        if region not in (None, "", found.region):
            raise Failed(f"AWSTarget {target} is in {found.region}, not in {region}")
        return accounts.clients(found), found.region, found


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool for reading AWS; on exit, calls in flight are not awaited, so that Ctrl-C ends at once."""
    threads = ThreadPoolExecutor(PLAN_THREADS)
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def select_targets(
    file: Sequence[Path] | None,
    names: Sequence[str] | None,
    namespace: str | None,
    *,
    offline: bool,
    everywhere: bool = False,
) -> Targets:
    """Select objects in files, or in the cluster. Raises Failed, BadFile, BadSetting, NoCluster, ObjectNotFound."""
    settings = Settings.from_environment(os.environ)
    if file:
        inside = namespace or _default_namespace(offline=offline)
        return Targets(select_by_name(files.read(file, inside), names or ()), settings, offline)
    if offline:
        raise Failed("--offline requires manifests: add -f FILE")
    if not may_have_cluster(os.environ):
        raise Failed("no manifests and no cluster: add -f FILE, or set KUBECONFIG")
    from dynconfig.cli import cluster

    with cluster.reading() as reader:
        found = cluster.objects(reader, names or (), namespace, everywhere=everywhere)
        if not found:
            raise Failed(f"{cluster.nothing(reader, namespace, everywhere=everywhere)}; or add manifests with -f FILE")
    return Targets(Manifests(tuple(found), (), {}), settings, offline)


def select_by_name(manifests: Manifests, names: Sequence[str]) -> Manifests:
    """Select objects in the files by NAME or NAMESPACE/NAME; all if no name is given. Raises Failed."""
    if not names:
        return manifests
    configs, origins = zip(*(pair for name in names for pair in _matching(manifests, name)), strict=True)
    others = tuple(document for document in manifests.configs if document not in configs)
    return Manifests(configs, origins, manifests.sources, other_configs=others, targets=manifests.targets)


def shortest_names(documents: Sequence[Document]) -> list[str]:
    """Return the shortest unambiguous name of each object: NAME, or NAMESPACE/NAME if several share it."""
    often = Counter(document["metadata"]["name"] for document in documents)
    return [
        document["metadata"]["name"] if often[document["metadata"]["name"]] == 1 else title(document)
        for document in documents
    ]


def may_have_cluster(environment: Mapping[str, str]) -> bool:
    """Whether there is a non-empty kubeconfig or a service account; its content is not checked.

    True also if KUBECONFIG names only missing files, so that the connection reports them instead of being left out.
    """
    listed = environment.get("KUBECONFIG")
    names = listed.split(os.pathsep) if listed else ["~/.kube/config"]
    found = [Path(name).expanduser() for name in names if name]
    is_missing = bool(listed) and not any(file.exists() for file in found)
    return SERVICE_ACCOUNT.exists() or is_missing or any(file.is_file() and file.stat().st_size for file in found)


def _default_namespace(*, offline: bool) -> str:
    """Return the namespace of the kubeconfig context, as kubectl does; `default` without a cluster."""
    if offline or not may_have_cluster(os.environ):
        return "default"
    from dynconfig.kube.responses import NoCluster, config

    try:
        return str(config().namespace)
    except NoCluster as error:
        raise Failed(f"{error}; {_WITHOUT_CLUSTER}") from None


def _offline(source: Source) -> str | None:
    if source.kind == "Secret":
        # The value would be masked anyway.
        return NOT_KNOWN
    raise SourceMissing(
        f"{source} is not in the files, and the cluster is not contacted; add its manifest with another -f"
    )


def _matching(manifests: Manifests, name: str) -> list[tuple[Document, Origin]]:
    found = [pair for pair in _with_origins(manifests) if name in (pair[0]["metadata"]["name"], title(pair[0]))]
    if not found:
        known = ", ".join(shortest_names(manifests.configs))
        raise Failed(f"DynamicConfig {name} not found in the files; they contain {known}")
    titles = sorted({title(document) for document, _ in found})
    if len(titles) > 1:
        raise Failed(f"several objects in the files are named {name}; select one of them: {', '.join(titles)}")
    return found


def _with_origins(manifests: Manifests) -> Iterator[tuple[Document, Origin]]:
    return zip(manifests.configs, manifests.origins, strict=True)

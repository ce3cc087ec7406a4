"""The real control plane of the lab, and the selection of a cluster."""

import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.client import (
    ApiClient,
    ApiException,
    CoreV1Api,
    RbacAuthorizationV1Api,
    RbacV1Subject,
    V1ConfigMap,
    V1Namespace,
    V1ObjectMeta,
    V1PolicyRule,
    V1Role,
    V1RoleBinding,
    V1RoleRef,
)
from kubernetes.config import new_client_from_config
from rich.console import Console

from dynconfig_lab import binaries, controlplane
from dynconfig_lab.binaries import Binaries
from dynconfig_lab.cluster import Choice, choose, cluster, given_kubeconfig
from dynconfig_lab.controlplane import OPERATOR, OPERATOR_ACCOUNT, ControlPlane, Place
from dynconfig_lab.errors import LabError
from dynconfig_lab.kubeconfig import server
from dynconfig_lab.process_group import answers
from dynconfig_lab.processes import wait_until
from dynconfig_lab.state import Folder

e2e = pytest.mark.e2e
minutes = pytest.mark.timeout(1800)  # the first time on a machine the binaries are built


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    built = binaries.ensure(Console(), built=True)
    with ControlPlane.start(tmp_path_factory.mktemp("controlplane"), built) as plane:
        yield plane


@pytest.fixture
def admin(plane: ControlPlane) -> Iterator[ApiClient]:
    with client(plane.kubeconfig) as one:
        yield one


def client(path: Path) -> ApiClient:
    found: ApiClient = new_client_from_config(str(path))
    found.configuration.proxy = None
    return found


def named(name: str) -> V1ObjectMeta:
    return V1ObjectMeta(name=name)


def found(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ApiException:
        return False
    return True


@e2e
@minutes
def test_started_control_plane_is_ready(plane: ControlPlane) -> None:
    assert answers(f"{plane.url}/readyz")


@e2e
@minutes
def test_certificate_passes_strict_verification(plane: ControlPlane) -> None:
    authority = plane.kubeconfig.parent / "certificates" / "apiserver.crt"
    context = ssl.create_default_context(cafile=str(authority))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
    where = urlsplit(plane.url)
    with (
        socket.create_connection((where.hostname, where.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=where.hostname) as connection,
    ):
        assert connection.getpeercert()


@e2e
@minutes
def test_operator_may_do_only_what_a_role_grants(plane: ControlPlane, admin: ApiClient) -> None:
    rbac = RbacAuthorizationV1Api(admin)
    group = "rbac.authorization.k8s.io"
    with client(plane.kubeconfig_for(OPERATOR)) as one:
        operator = CoreV1Api(one)
        with pytest.raises(ApiException, match="forbidden"):
            operator.list_namespaced_config_map("default")
        rule = V1PolicyRule(verbs=["list"], api_groups=[""], resources=["configmaps"])
        rbac.create_namespaced_role("default", V1Role(metadata=named("reader"), rules=[rule]))
        binding = V1RoleBinding(
            metadata=named("reader"),
            role_ref=V1RoleRef(api_group=group, kind="Role", name="reader"),
            subjects=[RbacV1Subject(kind="User", name=OPERATOR_ACCOUNT, api_group=group)],
        )
        rbac.create_namespaced_role_binding("default", binding)
        assert wait_until(lambda: found(lambda: operator.list_namespaced_config_map("default")), 10)
        with pytest.raises(ApiException, match="forbidden"):
            operator.create_namespaced_config_map("default", V1ConfigMap(metadata=named("refused")))


@e2e
@minutes
def test_restart_keeps_the_data_and_the_url(plane: ControlPlane, admin: ApiClient) -> None:
    kept = V1ConfigMap(metadata=named("kept"), data={"colour": "red"})
    CoreV1Api(admin).create_namespaced_config_map("default", kept)
    plane.restart_api()
    with client(plane.kubeconfig) as fresh:
        assert CoreV1Api(fresh).read_namespaced_config_map("kept", "default").data == {"colour": "red"}


@e2e
@minutes
def test_paused_server_responds_after_resume(plane: ControlPlane) -> None:
    plane.pause_api()
    try:
        assert not answers(f"{plane.url}/readyz", timeout=0.3)
    finally:
        plane.resume_api()
    assert wait_until(lambda: answers(f"{plane.url}/readyz"), 20)


@e2e
@minutes
def test_controllers_serve_new_namespaces_and_empty_deleted_ones(plane: ControlPlane, admin: ApiClient) -> None:
    core = CoreV1Api(admin)
    core.create_namespace(V1Namespace(metadata=named("shop")))
    assert wait_until(lambda: found(lambda: core.read_namespaced_service_account("default", "shop")), 20)
    core.create_namespaced_config_map("shop", V1ConfigMap(metadata=named("left")))
    core.delete_namespace("shop")
    assert wait_until(lambda: not found(lambda: core.read_namespace("shop")), 30)


def test_tokens_and_keys_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    place = Place.choose(tmp_path)
    controlplane.prepare(place)
    for path in (place.tokens, place.service_account_key, place.kubeconfig(), place.kubeconfig(OPERATOR)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_control_plane_runs_without_a_controller_manager(tmp_path: Path) -> None:
    parts = Binaries(Path("etcd"), Path("kube-apiserver"), None, Path("kubectl"), "here")
    place = Place(tmp_path, etcd=1, etcd_peer=2, api=3, controllers=4)
    assert [program.name for program in controlplane.programs(parts, place)] == ["etcd", "kube-apiserver"]


@pytest.mark.parametrize(
    ("asked", "given", "kind_runs", "chosen"),
    [
        (Choice.AUTO, "/kubeconfig", True, Choice.GIVEN),
        (Choice.AUTO, "", True, Choice.KIND),
        (Choice.AUTO, "", False, Choice.LOCAL),
        (Choice.BUILT, "/kubeconfig", True, Choice.BUILT),
        (Choice.GIVEN, "", False, Choice.GIVEN),
    ],
)
def test_cluster_is_selected_automatically_unless_requested(
    asked: Choice, given: str, kind_runs: bool, chosen: Choice
) -> None:
    assert choose(asked, given, kind_runs) is chosen


def test_kubeconfig_of_the_lab_is_not_a_given_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path / ".lab")
    own = folder.control_plane / "kubeconfig-admin"
    assert given_kubeconfig(folder, {"KUBECONFIG": str(own)}) == ""
    assert given_kubeconfig(folder, {"KUBECONFIG": f"/a{os.pathsep}{own}"}) == "/a"


def test_given_cluster_is_used_unchanged(tmp_path: Path) -> None:
    given = tmp_path / "config"
    place = Place(tmp_path / "plane", etcd=1, etcd_peer=2, api=6443, controllers=4)
    controlplane.prepare(place)
    place.kubeconfig().rename(given)
    chosen = cluster(Choice.AUTO, Folder(tmp_path / ".lab"), {"KUBECONFIG": str(given)}, Console())
    assert (chosen.kubeconfig, chosen.programs) == (str(given), ())
    assert server(given) == "https://127.0.0.1:6443"


def test_missing_given_kubeconfig_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no file /nowhere"):
        cluster(Choice.AUTO, Folder(tmp_path), {"KUBECONFIG": "/nowhere"}, Console())

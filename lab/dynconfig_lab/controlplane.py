"""A real Kubernetes control plane on this machine: etcd, kube-apiserver and kube-controller-manager, without nodes."""

import base64
import json
import secrets
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console

from dynconfig_lab import binaries, kubeconfig
from dynconfig_lab.binaries import Binaries
from dynconfig_lab.ports import HOST, free_ports
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import Program

ADMIN = "admin"
OPERATOR = "dynconfig-operator"
OPERATOR_ACCOUNT = "system:serviceaccount:dynconfig-system:dynconfig-operator"
"""Who the operator is in a cluster, so that the RBAC of manifests/install holds here as there."""
ACCOUNTS = {ADMIN: (ADMIN, "system:masters"), OPERATOR: (OPERATOR_ACCOUNT, "system:serviceaccounts")}
CONTROLLERS = (
    "namespace-controller,garbage-collector-controller,serviceaccount-controller,clusterrole-aggregation-controller"
)


@dataclass(frozen=True)
class Place:
    """The files and ports of a control plane."""

    folder: Path
    etcd: int
    etcd_peer: int
    api: int
    controllers: int

    @classmethod
    def choose(cls, folder: Path) -> Self:
        return cls(folder.resolve(), *free_ports(4))

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.api}"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        return self.folder / "audit-policy.json"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    @property
    def authority(self) -> Path:
        """Files that kube-apiserver creates while it starts: its certificate and the issuing CA."""
        return self.certificates / "apiserver.crt"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-accounts.key"

    def kubeconfig(self, user: str = ADMIN) -> Path:
        return self.folder / f"kubeconfig-{user}"


class ControlPlane:
    """A running control plane. Use `with ControlPlane.start(folder) as plane`."""

    def __init__(self, place: Place, tokens: dict[str, str], processes: ProcessGroup) -> None:
        self.url = place.url
        self.admin_token = tokens[ADMIN]
        self.kubeconfig = place.kubeconfig()
        self.authority = place.authority
        self._place = place
        self._processes = processes

    @classmethod
    @contextmanager
    def start(cls, folder: Path, parts: Binaries | None = None) -> Iterator[Self]:
        """Start one in the folder, which may be empty or missing, independent of KUBECONFIG.

        The first start on a machine builds the binaries, which takes minutes.
        """
        parts = parts or binaries.ensure(Console(stderr=True))
        place = Place.choose(folder)
        tokens = prepare(place)
        processes = ProcessGroup(programs(parts, place), place.folder)
        plane = cls(place, tokens, processes)
        try:
            processes.start()
            yield plane
        finally:
            plane.stop()

    def kubeconfig_for(self, user: str) -> Path:
        """`admin` with all permissions, or `dynconfig-operator` with those of its RBAC rules."""
        return self._place.kubeconfig(user)

    def client(self, token: str = "") -> httpx2.Client:
        """A client of the API server with a token, or else with all permissions."""
        trust, headers = (
            ssl.create_default_context(cafile=self.authority),
            {"Authorization": f"Bearer {token or self.admin_token}"},
        )
        return httpx2.Client(base_url=self.url, headers=headers, verify=trust, trust_env=False, timeout=30)

    def operator_requests(self) -> list[dict[str, Any]]:
        """The finished requests of the operator, and its started watches, oldest first.

        https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
        """
        return [json.loads(line) for line in self._place.audit_log.read_text().splitlines() if line.endswith("}")]

    def pause_api(self) -> None:
        """Accept connections without responding, until `resume_api`."""
        self._processes.signal("kube-apiserver", signal.SIGSTOP)

    def resume_api(self) -> None:
        self._processes.signal("kube-apiserver", signal.SIGCONT)

    def restart_api(self) -> None:
        """Kill the API server and start it again at the same URL, with the same data."""
        self._processes.restart("kube-apiserver")

    def compact(self) -> None:
        """Let etcd forget all earlier versions, as it does every five minutes in production.

        A watch that resumes from one gets 410 Gone. https://etcd.io/docs/v3.6/op-guide/maintenance/#history-compaction
        """
        with httpx2.Client(base_url=f"http://{HOST}:{self._place.etcd}", trust_env=False) as etcd:
            key = base64.b64encode(b"/").decode()
            revision = etcd.post("/v3/kv/range", json={"key": key}).raise_for_status().json()["header"]["revision"]
            etcd.post("/v3/kv/compaction", json={"revision": revision, "physical": True}).raise_for_status()

    def stop_api(self) -> None:
        """Kill the API server; connections are refused until `start_api`. etcd keeps the data."""
        self._processes.end("kube-apiserver")

    def start_api(self) -> None:
        """Start the API server again at the same URL, with the same data."""
        self._processes.start()

    def stop(self) -> None:
        self._processes.stop()


def prepare(place: Place) -> dict[str, str]:
    """Write the files that the programs need to start; return the token of each user."""
    place.folder.mkdir(parents=True, exist_ok=True)
    tokens = {user: secrets.token_hex(16) for user in ACCOUNTS}
    lines = [f'{token},{ACCOUNTS[user][0]},{user},"{ACCOUNTS[user][1]}"\n' for user, token in tokens.items()]
    kubeconfig.write_private(place.tokens, "".join(lines))
    kubeconfig.write_private(place.service_account_key, _private_key())
    place.audit_policy.write_text(json.dumps(_audit_policy()))
    for user, token in tokens.items():
        kubeconfig.write(place.kubeconfig(user), place.url, place.authority, user, token)
    return tokens


def programs(parts: Binaries, place: Place) -> tuple[Program, ...]:
    """The programs. Killed at the end: kube-apiserver would wait a minute for the watches of its clients."""
    found = [_etcd(parts, place), _kube_apiserver(parts, place)]
    if parts.kube_controller_manager:
        found.append(_kube_controller_manager(parts.kube_controller_manager, place))
    return tuple(found)


def _audit_policy() -> dict[str, Any]:
    """The audit policy: what the operator's requests are about and how they ended, without their content."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [OPERATOR_ACCOUNT]}, {"level": "None"}],
    }


def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def _etcd(parts: Binaries, place: Place) -> Program:
    clients, peers = f"http://{HOST}:{place.etcd}", f"http://{HOST}:{place.etcd_peer}"
    options = {
        "data-dir": place.folder / "etcd",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return Program("etcd", _command(parts.etcd, options), f"{clients}/readyz", graceful=False)


def _kube_apiserver(parts: Binaries, place: Place) -> Program:
    options = {
        "etcd-servers": f"http://{HOST}:{place.etcd}",
        "bind-address": HOST,
        "secure-port": place.api,
        # Otherwise it uses the default route, which is missing on a machine without a network.
        "advertise-address": HOST,
        "endpoint-reconciler-type": "none",
        "service-cluster-ip-range": "10.0.0.0/24",
        "cert-dir": place.certificates,
        "token-auth-file": place.tokens,
        "authorization-mode": "RBAC",
        "disable-admission-plugins": "ServiceAccount",
        "audit-policy-file": place.audit_policy,
        "audit-log-path": place.audit_log,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": place.service_account_key,
        "service-account-signing-key-file": place.service_account_key,
        "profiling": "false",
    }
    command = _command(parts.kube_apiserver, options)
    # It shares a laptop with other processes: trade memory for CPU.
    environment = {"GOGC": "400"}
    ready = f"{place.url}/readyz"
    return Program(
        "kube-apiserver", command, ready, after=("etcd",), graceful=False, environment=environment, restarts=True
    )


def _kube_controller_manager(binary: Path, place: Place) -> Program:
    options = {
        "kubeconfig": place.kubeconfig(),
        "controllers": CONTROLLERS,
        "leader-elect": "false",
        "bind-address": HOST,
        "secure-port": place.controllers,
        "cert-dir": place.certificates,
        "service-account-private-key-file": place.service_account_key,
        "profiling": "false",
    }
    ready = f"https://{HOST}:{place.controllers}/healthz"
    return Program(
        "kube-controller-manager", _command(binary, options), ready, after=("kube-apiserver",), graceful=False
    )


def _command(binary: Path, options: dict[str, object]) -> tuple[str, ...]:
    return (str(binary), *(f"--{name}={value}" for name, value in options.items()))

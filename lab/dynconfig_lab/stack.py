"""The whole product on this machine within a `with` block: Kubernetes, AWS and the operator."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
import httpx2
from botocore.config import Config
from rich.console import Console

from dynconfig_lab import binaries, folders
from dynconfig_lab.aws.server import RemoteLab
from dynconfig_lab.controlplane import OPERATOR, ControlPlane
from dynconfig_lab.errors import LabError
from dynconfig_lab.ports import HOST, free_ports
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import Program, local_environment, wait_until

ROOT = Path(__file__).parents[2]
CRDS, INSTALL = ROOT / "crds", ROOT / "manifests" / "install"
REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}


class CommandFailed(LabError):
    """A command of the stack failed."""


@dataclass(frozen=True)
class Stack:
    """Everything that a test or the demo uses."""

    folder: Path
    environment: Mapping[str, str]
    kubectl_binary: Path
    control_url: str
    plane: ControlPlane
    operator: ProcessGroup
    operator_environment: Mapping[str, str]

    @contextmanager
    def second_operator(self, name: str, **settings: str) -> Iterator[ProcessGroup]:
        """Run another operator, with its own pod and access key; yield it when it is ready."""
        (health_port,) = free_ports(1)
        own = {"DYNCONFIG_POD_NAME": name, "AWS_ACCESS_KEY_ID": name, **settings}
        group = ProcessGroup([_operator(health_port, {**self.operator_environment, **own}, name)], self.folder)
        with _running(group):
            yield group

    @property
    def operator_log(self) -> Path:
        """The operator's log so far."""
        return self.folder / "operator.log"

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """The output of kubectl. Raises CommandFailed with its message."""
        return self._run((str(self.kubectl_binary), *arguments), stdin)

    def dynconfig(self, *arguments: str) -> str:
        """The output of `dynconfig`, whatever its exit code."""
        command = (sys.executable, "-m", "dynconfig", *arguments)
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return result.stdout + result.stderr

    def document(self, *arguments: str) -> dict[str, Any]:
        """The result of `kubectl get … -o json`."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def http(self) -> httpx2.Client:
        """A client of the API server with all permissions."""
        return self.plane.client()

    def aws(self, service: str, config: Config | None = None, account: str = "lab") -> Any:
        """A boto3 client of the emulated AWS; in another account, its administrator."""
        return boto3.client(  # type: ignore[call-overload]  # any service by name
            service,
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            config=config,
            aws_access_key_id=account,
            aws_secret_access_key="lab",  # noqa: S106 - the emulator accepts any
        )

    def calls(self) -> dict[str, int]:
        """The number of calls of each AWS operation."""
        return self.lab.calls()

    @property
    def lab(self) -> RemoteLab:
        """Counters and faults of the emulated AWS."""
        return RemoteLab(self.control_url)

    def _run(self, command: tuple[str, ...], stdin: str) -> str:
        result = subprocess.run(command, env=self.environment, input=stdin, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CommandFailed(result.stderr.strip())
        # Suppresses kubectl's warning about its version, which may differ from the server's.
        return result.stdout.rstrip("\n")


def install(found: Stack) -> None:
    """Give the operator the RBAC rules and limits that are shipped for a whole cluster."""
    for name in ("namespace", "rbac", "operator-writes"):
        found.kubectl("apply", "-f", str(INSTALL / f"{name}.yaml"))


@contextmanager
def stack(
    console: Console,
    operator_settings: Mapping[str, str] = MappingProxyType({}),
    install: Callable[[Stack], None] = install,
) -> Iterator[Stack]:
    """Start everything in a new folder, and remove it at the end."""
    parts = binaries.ensure(console)
    with ExitStack() as stack:
        folder = folders.made("stack")
        stack.callback(folders.remove, folder)
        aws_port, control_port, health_port = free_ports(3)
        plane = stack.enter_context(ControlPlane.start(folder / "kubernetes", parts))
        environment = {
            **local_environment(),
            **CREDENTIALS,
            "KUBECONFIG": str(plane.kubeconfig),
            "AWS_ENDPOINT_URL": f"http://{HOST}:{aws_port}",
            "AWS_REGION": REGION,
            # boto3 and version 1 of the AWS CLI support only this name.
            "AWS_DEFAULT_REGION": REGION,
            "DYNCONFIG_TENANCY": "single",
            "COLUMNS": os.environ.get("COLUMNS", "120"),
        }
        account = {
            "KUBECONFIG": str(plane.kubeconfig_for(OPERATOR)),
            # As in the installation: a killed operator that is started again resumes its leases.
            "DYNCONFIG_LEASE_NAMESPACE": "dynconfig-system",
            "DYNCONFIG_POD_NAME": "dynconfig-operator-lab",
        }
        own = {**environment, **account, **operator_settings}
        operator = ProcessGroup([_operator(health_port, own)], folder)
        control_url = f"http://{HOST}:{control_port}"
        found = Stack(folder, environment, parts.kubectl, control_url, plane, operator, own)
        stack.enter_context(_running(ProcessGroup([_aws(aws_port, control_port)], folder)))
        found.kubectl("apply", "-k", str(CRDS))
        install(found)
        _wait_for_crd(found)
        stack.enter_context(_running(operator))
        yield found


def _aws(aws_port: int, control_port: int) -> Program:
    command = (
        sys.executable,
        "-m",
        "dynconfig_lab.aws",
        "--aws-port",
        str(aws_port),
        "--control-port",
        str(control_port),
    )
    return Program("aws", command, f"http://{HOST}:{control_port}/healthz")


def _operator(health_port: int, environment: Mapping[str, str], name: str = "operator") -> Program:
    settings = {**environment, "DYNCONFIG_HEALTH_PORT": str(health_port)}
    command = (sys.executable, "-m", "dynconfig", "run")
    return Program(name, command, f"http://{HOST}:{health_port}/healthz", environment=settings)


@contextmanager
def _running(processes: ProcessGroup) -> Iterator[None]:
    try:
        processes.start()
        yield
    finally:
        processes.stop()


def _wait_for_crd(found: Stack) -> None:
    def is_served() -> bool:
        try:
            found.kubectl("get", "dynamicconfigs", "--all-namespaces")
        except CommandFailed:
            return False
        return True

    if not wait_until(is_served, 30):
        raise CommandFailed("the API server does not serve DynamicConfigs after 30 s")

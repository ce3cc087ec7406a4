"""`python -m dynconfig_lab.kind up | down`: the product as shipped, by image and manifests, in a kind cluster.

Requires Docker and kind; `make lab` and `make demo` need neither.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from dynconfig_lab import binaries, commands
from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import local_environment
from dynconfig_lab.progress import build_progress

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
EXAMPLE = MANIFESTS / "examples" / "myapp.yaml"
NAME = "dynconfig"
# A separate kubeconfig: the user's current context does not change.
KUBECONFIG = ROOT / ".kind" / "kubeconfig"
NAMESPACE = "dynconfig-system"
CRD = "customresourcedefinition.apiextensions.k8s.io/dynamicconfigs.dynconfig.dev"


@dataclass(frozen=True)
class Step:
    """One command and its purpose."""

    title: str
    command: tuple[str, ...]


def steps(kubectl: str) -> tuple[Step, ...]:
    """The commands that lead to a Ready example; each can be repeated."""
    operator, emulator = images()

    def on_cluster(*arguments: str) -> tuple[str, ...]:
        return (kubectl, "--kubeconfig", str(KUBECONFIG), *arguments)

    def in_namespace(*arguments: str) -> tuple[str, ...]:
        return on_cluster("-n", NAMESPACE, *arguments)

    return (
        Step("Building the operator's image", ("docker", "build", "-t", operator, ".")),
        Step(
            "Building the image of the emulated AWS", ("docker", "build", "-t", emulator, "-f", "lab/Dockerfile", ".")
        ),
        Step(
            "Bringing the images into the cluster", ("kind", "load", "docker-image", "--name", NAME, operator, emulator)
        ),
        Step("Installing the operator and AWS", on_cluster("apply", "-k", str(MANIFESTS / "local"))),
        Step("Waiting for the CRD", on_cluster("wait", CRD, "--for=condition=Established", "--timeout=60s")),
        Step("Waiting for AWS", in_namespace("rollout", "status", "deployment/aws", "--timeout=120s")),
        Step(
            "Waiting for the operator",
            in_namespace("rollout", "status", "deployment/dynconfig-operator", "--timeout=120s"),
        ),
        Step("Applying the example", on_cluster("apply", "-f", str(EXAMPLE))),
        Step(
            "Waiting for it to be in AWS",
            on_cluster("-n", "default", "wait", "dcfg/myapp", "--for=condition=Ready", "--timeout=180s"),
        ),
    )


def images() -> tuple[str, str]:
    """Of the operator and of the emulated AWS, as the manifests name them."""
    return _image(MANIFESTS / "install" / "deployment.yaml"), _image(MANIFESTS / "local" / "aws.yaml")


def up(console: Console) -> None:
    """Run them. Raises LabError with the message of the failed command."""
    _check()
    if NAME not in _clusters():
        _run(console, Step("Making the kind cluster", _kind("create", "cluster", "--wait", "3m")))
    _run(console, Step("Writing its kubeconfig", _kind("export", "kubeconfig")))
    for step in steps(str(binaries.kubectl(console))):
        _run(console, step)
    console.print(f"[bold green]The example is Ready in the kind cluster {NAME}.[/] Next:")
    for line in (
        f"export KUBECONFIG={KUBECONFIG}",
        "kubectl get dcfg -o wide",
        f"kubectl -n {NAMESPACE} port-forward service/aws 4566 4567",
        "make kind-down",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def down(console: Console) -> None:
    """Delete the cluster; a missing cluster is not an error."""
    _check()
    _run(console, Step("Deleting the kind cluster", _kind("delete", "cluster")))
    shutil.rmtree(KUBECONFIG.parent, ignore_errors=True)


def _kind(verb: str, *rest: str) -> tuple[str, ...]:
    return ("kind", verb, *rest, "--name", NAME, "--kubeconfig", str(KUBECONFIG))


def _check() -> None:
    missing = [name for name in ("docker", "kind") if not shutil.which(name)]
    if missing:
        raise LabError(f"This wants {' and '.join(missing)} on PATH. Without Docker: make lab")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:  # noqa: S607 - wherever it is
        raise LabError("Docker is not running: start it. Without Docker: make lab")


def _clusters() -> Sequence[str]:
    answer = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True, check=False)  # noqa: S607
    return answer.stdout.split()


def _run(console: Console, step: Step) -> None:
    with build_progress(step.title, 0, console) as watcher:
        commands.run(step.command, ROOT, local_environment(), watcher)


def _image(path: Path) -> str:
    documents = yaml.safe_load_all(path.read_text())
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    verbs = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in verbs:
        Console(stderr=True).print(__doc__, markup=False)
        return 2
    try:
        verbs[arguments[0]](Console())
    except LabError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

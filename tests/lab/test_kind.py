"""`make kind-up` without Docker: what it runs, in which order, and what it builds and applies."""

import io
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tests.lab.test_binaries import script

from dynconfig.settings import Settings
from dynconfig_lab import binaries, kind
from dynconfig_lab.errors import BuildFailed, LabError

DOCKERFILES = (kind.ROOT / "Dockerfile", kind.ROOT / "lab" / "Dockerfile")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which fake programs record their arguments."""
    for name in ("docker", "kind", "kubectl"):
        script(tmp_path / "bin" / name, f'echo "{name} $*" >> {tmp_path}/called')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path / "called"


def test_commands_lead_to_a_ready_example(called: Path, console: Console) -> None:
    kind.up(console)
    done = [" ".join(line.split()[:2]) for line in called.read_text().splitlines()]
    assert done[:4] == ["docker info", "kind get", "kind create", "kind export"]
    assert done[4:7] == ["docker build", "docker build", "kind load"]
    assert set(done[7:]) == {"kubectl --kubeconfig"}
    assert "--for=condition=Ready" in called.read_text().splitlines()[-1]


def test_existing_cluster_is_used(called: Path, tmp_path: Path, console: Console) -> None:
    script(tmp_path / "bin" / "kind", f'echo "kind $*" >> {called}; [ "$1" != get ] || echo dynconfig')
    kind.up(console)
    assert "kind create" not in called.read_text()


def test_first_failing_command_stops_it(called: Path, tmp_path: Path, console: Console) -> None:
    script(tmp_path / "bin" / "docker", '[ "$1" = info ] || { echo "no space left" >&2; exit 1; }')
    with pytest.raises(BuildFailed, match="no space left"):
        kind.up(console)
    assert "kubectl" not in called.read_text()


def test_only_its_own_cluster_is_deleted(called: Path, console: Console) -> None:
    kind.down(console)
    assert called.read_text().splitlines()[-1].startswith("kind delete cluster --name dynconfig ")


def test_current_context_of_kubectl_does_not_change(called: Path, console: Console) -> None:
    kind.up(console)
    writing = [line for line in called.read_text().splitlines() if line.startswith(("kind create", "kind export"))]
    assert len(writing) == 2
    assert all(f"--kubeconfig {kind.KUBECONFIG}" in line for line in writing)


def test_missing_docker_is_reported_with_the_alternative(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"docker and kind on PATH\. Without Docker: make lab"):
        kind.up(console)


def test_docker_that_is_not_running_is_reported_separately(called: Path, tmp_path: Path, console: Console) -> None:
    script(tmp_path / "bin" / "docker", "exit 1")
    with pytest.raises(LabError, match="Docker is not running"):
        kind.up(console)


def test_built_images_are_those_that_run() -> None:
    operator, emulator = kind.images()
    built = [step.command for step in kind.steps("kubectl") if step.command[:2] == ("docker", "build")]
    assert [command[3] for command in built] == [operator, emulator]
    version = re.search(r'^version = "(.+)"', (kind.ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert {operator.partition(":")[2], emulator.partition(":")[2]} == {version[1]}


@pytest.mark.tools
def test_operator_of_the_cluster_treats_its_aws_as_an_emulator() -> None:
    kubectl = binaries.kubectl(Console(stderr=True))
    command = [str(kubectl), "kustomize", str(kind.MANIFESTS / "local")]
    built = list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    found = {(item["kind"], item["metadata"]["name"]): item for item in built}
    (container,) = found["Deployment", "dynconfig-operator"]["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    assert Settings.from_environment(environment).is_emulated
    service = found["Service", "aws"]
    assert environment["AWS_ENDPOINT_URL"] == f"http://aws:{service['spec']['ports'][0]['port']}"
    pod = found["Deployment", "aws"]["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = [port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]]
    entry = (kind.ROOT / "lab" / "Dockerfile").read_text()
    assert all(f'-port", "{port}"' in entry for port in ports)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_image_is_pinned_and_runs_without_root_and_copies_all_files(path: Path) -> None:
    text = path.read_text()
    base = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    assert [re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", name) is not None for name in base] == [True]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert "--require-hashes" in text
    users = re.findall(r"^USER (\S+)$", text.rpartition("FROM ")[2], re.MULTILINE)
    assert users == ["65532:65532"]
    copied = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    assert copied
    for source in copied:
        assert (kind.ROOT / source).exists()
        assert any(fnmatch(source, kept) for kept in _sent_to_docker()), source


def test_image_contains_the_code_of_the_function() -> None:
    assert "COPY lambda_app/dynconfig_function" in DOCKERFILES[0].read_text()


def test_containers_are_read_only_and_unprivileged() -> None:
    for path in ("install/deployment.yaml", "local/aws.yaml"):
        deployment = next(yaml.safe_load_all((kind.MANIFESTS / path).read_text()))
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def _sent_to_docker() -> list[str]:
    lines = (kind.ROOT / ".dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]

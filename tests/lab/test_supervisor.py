"""The lab in the background: it starts and stops completely, and recognises its own processes."""

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from dynconfig_lab import controlplane, lab
from dynconfig_lab.binaries import Binaries
from dynconfig_lab.errors import NotReady
from dynconfig_lab.kubeconfig import server
from dynconfig_lab.ports import free_ports, is_free, port_or_free
from dynconfig_lab.process_group import answers
from dynconfig_lab.processes import Child, Identity, Program, wait_until
from dynconfig_lab.state import Folder, Phase, Plan, Running, State

CRDS = Path(__file__).parents[2] / "crds"
SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / ".lab")
    yield folder
    lab.end(folder)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def serving(name: str, port: int, after: tuple[str, ...] = ()) -> Program:
    command = sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)
    return Program(name, command, f"http://127.0.0.1:{port}/", after)


def two_servers() -> Plan:
    """Two programs that respond; the second depends on the first."""
    first, second = free_ports(2)
    programs = serving("first", first), serving("second", second, after=("first",))
    return Plan(programs, exports={"KUBECONFIG": "/a folder/with'quote", "AWS_REGION": "eu-west-1"})


def restarting() -> Plan:
    """A program that may be restarted, and one that depends on it and may not."""
    first, second = free_ports(2)
    programs = replace(serving("first", first), restarts=True), serving("second", second, after=("first",))
    return Plan(programs, exports={"AWS_REGION": "eu-west-1"})


def never_ready() -> Plan:
    return Plan((Program("sleeper", SLEEPER, f"http://127.0.0.1:{free_ports(1)[0]}/"),))


def state_of(folder: Folder) -> State:
    state = folder.state()
    assert state
    return state


def identities(folder: Folder) -> list[Identity]:
    state = state_of(folder)
    return [state.supervisor, *(child.identity for child in state.children)]


def all_ended(processes: list[Identity]) -> bool:
    return all(process.ended_within(20) for process in processes)


def command(*arguments: str, folder: Folder) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dynconfig_lab", *arguments, "--folder", str(folder.path)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_lab_is_ready_when_all_its_programs_respond(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    state = state_of(folder)
    assert state.phase is Phase.READY
    assert [child.name for child in state.children if child.ready and child.identity.alive] == ["first", "second"]


@pytest.mark.e2e
@pytest.mark.timeout(1800)  # the first time on a machine the binaries are built
def test_one_command_starts_the_real_lab_and_one_stops_it(folder: Folder) -> None:
    started = command("up", "--cluster", "built", folder=folder)
    assert started.returncode == 0, started.stdout + started.stderr
    lines = dict(line.removeprefix("export ").split("=", 1) for line in folder.env.read_text().splitlines())
    assert list(lines) == [
        "KUBECONFIG",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "DYNCONFIG_LAB_URL",
    ]
    assert answers(f"{server(Path(lines['KUBECONFIG']))}/readyz")
    assert answers(f"{lines['DYNCONFIG_LAB_URL']}/calls")
    kubectl = (sys.executable, "-m", "dynconfig_lab", "kubectl", "get", "crd,validatingadmissionpolicies", "-o", "name")
    environment = {**os.environ, "KUBECONFIG": lines["KUBECONFIG"]}
    installed = subprocess.check_output(kubectl, env=environment, text=True).split()
    shipped = [item for file in CRDS.glob("*.yaml") for item in yaml.safe_load_all(file.read_text())]
    wanted = {item["metadata"]["name"] for item in shipped if not item["kind"].endswith(("Kustomization", "Binding"))}
    assert {name.rpartition("/")[2] for name in installed} == wanted
    processes = identities(folder)
    assert command("down", folder=folder).returncode == 0
    assert not any(process.alive for process in processes)


def test_settings_can_be_read_by_a_shell(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    shell = f". {folder.env} && sh -c 'echo \"$KUBECONFIG\"'"
    assert subprocess.check_output(["/bin/sh", "-c", shell], text=True) == "/a folder/with'quote\n"
    assert folder.env.stat().st_mode & 0o777 == 0o600


def test_stop_leaves_no_process_and_no_file(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    processes = identities(folder)
    done = command("down", folder=folder)
    assert (done.returncode, done.stdout.strip()) == (0, "The lab is stopped.")
    assert not any(process.alive for process in processes)
    assert not folder.path.exists()


def test_stop_keeps_files_of_others(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    (folder.path / "notes").write_text("mine")
    lab.end(folder)
    assert [path.name for path in folder.path.iterdir()] == ["notes"]


def test_folder_that_is_not_a_lab_is_kept(folder: Folder) -> None:
    folder.path.mkdir()
    (folder.path / "package.json").write_text("{}")
    assert not lab.end(folder)
    assert (folder.path / "package.json").exists()


def test_stopping_a_lab_that_does_not_run_is_not_an_error(folder: Folder) -> None:
    done = command("down", folder=folder)
    assert done.returncode == 0
    assert "No lab runs in" in done.stdout


def test_second_start_reports_that_it_already_runs(folder: Folder, console: Console) -> None:
    plan = lab.up(folder, two_servers, console)
    before = identities(folder)
    assert lab.up(folder, never_ready, console) == plan
    assert "already runs" in said(console)
    assert identities(folder) == before


def test_killed_supervisor_leaves_no_child(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    processes = identities(folder)
    os.kill(state_of(folder).supervisor.pid, signal.SIGKILL)
    assert all_ended(processes)


def test_leftovers_of_a_killed_lab_are_replaced(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    processes = identities(folder)
    os.kill(state_of(folder).supervisor.pid, signal.SIGKILL)
    assert all_ended(processes)
    assert "killed" in command("status", folder=folder).stdout
    lab.up(folder, two_servers, console)
    assert "Replacing what an earlier lab left" in said(console)
    assert state_of(folder).runs


def test_process_that_reused_the_pid_is_not_killed(folder: Folder, console: Console, tmp_path: Path) -> None:
    unrelated = Child.start(Program("unrelated", SLEEPER), tmp_path / "unrelated.log")
    reused = Identity(unrelated.identity.pid, "at another time")
    folder.write_plan(never_ready())
    folder.write_state(State(Phase.READY, reused, (Running("etcd", reused, ready=True, log=""),)))
    lab.up(folder, two_servers, console)
    assert unrelated.identity.alive
    unrelated.end()
    unrelated.wait()


def test_exit_of_one_program_stops_all_and_is_reported(folder: Folder, console: Console) -> None:
    lab.up(folder, two_servers, console)
    processes = identities(folder)
    os.kill(state_of(folder).children[0].identity.pid, signal.SIGKILL)
    assert all_ended(processes)
    assert state_of(folder).phase is Phase.FAILED
    assert not folder.env.exists()
    assert "first ended with exit code -9" in folder.supervisor_log.read_text()
    assert "first ended with exit code -9" in command("status", folder=folder).stdout


def test_program_that_cannot_start_fails_the_start_with_its_last_output(folder: Folder, console: Console) -> None:
    broken = Program("broken", (sys.executable, "-c", "raise SystemExit('the disk is full')"), "http://127.0.0.1:1/")
    with pytest.raises(NotReady, match=r"(?s)broken ended with exit code 1.*the disk is full"):
        lab.up(folder, lambda: Plan((*two_servers().programs, broken)), console)
    assert not any(process.alive for process in identities(folder))


def test_missing_program_is_named(folder: Folder, console: Console) -> None:
    with pytest.raises(NotReady, match="/no/such/program: No such file or directory"):
        lab.up(folder, lambda: Plan((Program("missing", ("/no/such/program",), "http://127.0.0.1:1/"),)), console)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_start_leaves_no_process(folder: Folder, number: signal.Signals) -> None:
    port = free_ports(1)[0]
    code = f"""
import signal, sys
from pathlib import Path
from rich.console import Console
from dynconfig_lab import controlplane, lab
from dynconfig_lab.binaries import Binaries
from dynconfig_lab.processes import Program
from dynconfig_lab.state import Folder, Plan
signal.signal(signal.SIGTERM, signal.default_int_handler)
program = Program("sleeper", {SLEEPER!r}, "http://127.0.0.1:{port}/")
lab.up(Folder(Path({str(folder.path)!r})), lambda: Plan((program,)), Console())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as start:
        assert wait_until(lambda: bool((state := folder.state()) and state.children), 30)
        processes = identities(folder)
        start.send_signal(number)
        start.wait(30)
    assert not any(process.alive for process in processes)
    assert not folder.path.exists()


def test_program_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    text = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"child = subprocess.Popen({list(SLEEPER)!r}); print(child.pid, flush=True); signal.pause()"
    )
    log = tmp_path / "stubborn.log"
    stubborn = Child.start(Program("stubborn", (sys.executable, "-c", text)), log)
    assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 20)
    grandchild = Identity.of(int(log.read_text()))
    stubborn.end()
    stubborn.wait(0.2)
    assert stubborn.exit_code == -signal.SIGKILL
    assert grandchild
    assert grandchild.ended_within(10)


def test_port_in_use_is_reported_in_one_line(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command("up", "--aws-port", str(port), folder=folder)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Port {port} on 127.0.0.1 is in use or not allowed; choose another with --aws-port, or omit it."
    ]
    assert not folder.path.exists()


def test_lab_path_that_is_a_file_is_reported_in_one_line(folder: Folder) -> None:
    folder.path.write_text("mine")
    for verb in ("up", "down", "status"):
        done = command(verb, folder=folder)
        assert (done.returncode, done.stderr.splitlines()) == (
            1,
            [f"{folder.path} is no folder; name another with --folder."],
        )
    assert folder.path.read_text() == "mine"
    folder.path.unlink()


def test_one_port_for_two_servers_is_reported_in_one_line(folder: Folder) -> None:
    port = str(free_ports(1)[0])
    done = command("up", "--aws-port", port, "--control-port", port, folder=folder)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"--aws-port and --control-port are both {port}; choose two, or leave them out."
    ]
    assert not folder.path.exists()


def test_requested_port_is_used() -> None:
    port = free_ports(1)[0]
    assert port_or_free(port, "--aws-port") == port
    assert is_free(port_or_free(None, "--aws-port"))


def test_process_is_identified_by_its_start_time_and_not_only_by_its_pid() -> None:
    this = Identity.of_this_process()
    assert this.alive
    assert not Identity(this.pid, "another time").alive
    assert Identity.of(2**22 + 1) is None


def test_killed_program_that_may_be_restarted_does_not_end_the_lab(folder: Folder, console: Console) -> None:
    plan = lab.up(folder, restarting, console)
    before = {child.name: child.identity for child in state_of(folder).children}
    os.kill(before["first"].pid, signal.SIGKILL)

    def is_back() -> bool:
        child = {item.name: item for item in state_of(folder).children}["first"]
        return child.ready and child.identity != before["first"]

    assert wait_until(is_back, 20)
    after = {child.name: child.identity for child in state_of(folder).children}
    assert after["second"] == before["second"]
    assert state_of(folder).phase is Phase.READY
    assert answers(plan.programs[0].ready_url)
    os.kill(after["second"].pid, signal.SIGKILL)
    assert wait_until(lambda: state_of(folder).phase is Phase.FAILED, 20)
    assert all_ended(identities(folder))


def test_api_server_is_what_may_be_restarted(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    parts = Binaries(
        etcd=binary, kube_apiserver=binary, kube_controller_manager=binary, kubectl=binary, origin="a test"
    )
    programs = controlplane.programs(parts, controlplane.Place.choose(tmp_path))
    assert [program.name for program in programs if program.restarts] == ["kube-apiserver"]

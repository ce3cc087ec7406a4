"""The whole lab: start, stop and status."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dynconfig_lab import commands
from dynconfig_lab.cluster import Choice, Cluster, cluster
from dynconfig_lab.errors import BuildFailed, LabError, NotReady
from dynconfig_lab.locks import locked
from dynconfig_lab.ports import HOST, port_or_free
from dynconfig_lab.processes import Identity, Program, last_lines, start_detached, wait_until
from dynconfig_lab.progress import build_progress
from dynconfig_lab.state import Folder, Phase, Plan, State

REGION = "eu-west-1"
CRDS = Path(__file__).parents[2] / "crds"


@dataclass(frozen=True)
class Wishes:
    choice: Choice = Choice.AUTO
    aws_port: int | None = None
    control_port: int | None = None


def up(folder: Folder, make_plan: Callable[[], Plan], console: Console) -> Plan:
    """Start the plan unless a lab runs; return its state when it is ready.

    Raises LabError; the logs are then kept. After Ctrl-C or with a full disk, everything started is stopped and
    removed.
    """

    def waiting() -> None:
        console.print("Another start is under way; waiting for it …")

    with locked(folder.path.absolute().parent, waiting):
        state, plan = folder.state(), folder.plan()
        if state and state.runs and plan:
            console.print(f"The lab in {folder.path} already runs.", soft_wrap=True)
            if state.phase is not Phase.READY:
                wait_ready(folder, state.supervisor, console)
            return plan
        if end(folder):
            console.print(f"Replacing what an earlier lab left in {folder.path}.", soft_wrap=True)
        try:
            plan = make_plan()
            launch(folder, plan, console)
        except (KeyboardInterrupt, OSError):
            if not end(folder):
                folder.clear()
            raise
        return plan


def planned(folder: Folder, wishes: Wishes, environment: Mapping[str, str], console: Console) -> Plan:
    """The emulated AWS, and the requested Kubernetes."""
    if wishes.aws_port and wishes.aws_port == wishes.control_port:
        raise LabError(f"--aws-port and --control-port are both {wishes.aws_port}; choose two, or leave them out.")
    aws_port = port_or_free(wishes.aws_port, "--aws-port")
    control_port = port_or_free(wishes.control_port, "--control-port")
    kubernetes = cluster(wishes.choice, folder, environment, console)
    return plan_of(kubernetes, f"http://{HOST}:{aws_port}", f"http://{HOST}:{control_port}")


def plan_of(kubernetes: Cluster, aws: str, control: str) -> Plan:
    ports = "--aws-port", aws.rpartition(":")[2], "--control-port", control.rpartition(":")[2]
    emulated = Program("aws", (sys.executable, "-m", "dynconfig_lab.aws", *ports), f"{control}/healthz")
    exports = {
        "KUBECONFIG": kubernetes.kubeconfig,
        "AWS_ENDPOINT_URL": aws,
        "AWS_REGION": REGION,
        # boto3 and version 1 of the AWS CLI support only this name.
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "DYNCONFIG_LAB_URL": control,
    }
    facts = {"Kubernetes": kubernetes.where, "AWS": f"{aws} (emulated, {REGION})", "Lab": f"{control} (calls, faults)"}
    return Plan((emulated, *kubernetes.programs), exports, facts, kubernetes.setup, kubernetes.cleanup)


def launch(folder: Folder, plan: Plan, console: Console) -> None:
    """Start the supervisor in a new session, and wait until all is ready."""
    folder.write_plan(plan)
    if plan.setup:
        _set_up(folder, plan, console)
    command = sys.executable, "-m", "dynconfig_lab.supervisor", str(folder.path)
    supervisor = start_detached(command, folder.supervisor_log)
    try:
        wait_ready(folder, supervisor, console)
    except (KeyboardInterrupt, NotReady):
        supervisor.end(20)
        raise


def wait_ready(folder: Folder, supervisor: Identity, console: Console) -> None:
    seen: set[str] = set()

    def settled() -> bool:
        alive = supervisor.alive  # read first, so that its last state is not missed
        state = folder.state()
        for child in state.children if state and state.supervisor == supervisor else ():
            if child.ready and child.name not in seen:
                seen.add(child.name)
                console.print(f"  {child.name} is ready")
        return not alive or bool(state and state.supervisor == supervisor and state.phase is not Phase.STARTING)

    with console.status("Starting …"):
        wait_until(settled, 600)
    state = folder.state()
    if not state or not state.runs:
        reason = state.reason if state else ""
        raise NotReady(f"The lab did not start. {reason or last_lines(folder.supervisor_log)}")


def install(plan: Plan, kubectl: Path) -> None:
    """Install the CRD and the policies, as an installation does. Raises LabError."""
    environment = {**os.environ, "KUBECONFIG": plan.exports["KUBECONFIG"]}
    command = (str(kubectl), "apply", "-k", str(CRDS))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{shlex.join(command)} failed: {done.stderr.strip()}")


def end(folder: Folder) -> bool:
    """Stop the lab and remove its files. False if there was none."""
    state, plan = folder.state(), folder.plan()
    if not (state or plan):
        return False
    if state:
        _end_processes(state)
    if plan and plan.cleanup:
        subprocess.run(plan.cleanup, check=False, capture_output=True)
    folder.clear()
    return True


def summary(folder: Folder, plan: Plan, console: Console) -> None:
    for name, fact in plan.facts.items():
        console.print(f"  {name:<12}{fact}", highlight=False, soft_wrap=True)
    logs = os.path.relpath(folder.path)
    console.print(f"  {'Logs':<12}{logs}/*.log", highlight=False, soft_wrap=True)
    kubectl = "kubectl" if shutil.which("kubectl") else f"{sys.executable} -m dynconfig_lab kubectl"
    console.print(f"\nNext:  . {logs}/env && {kubectl} get namespaces", highlight=False, soft_wrap=True)
    console.print(f"       export PATH=$PWD/{os.path.relpath(Path(sys.executable).parent)}:$PATH", soft_wrap=True)
    console.print("       make operator\n       make lab-down")


def table(folder: Folder, state: State) -> Table:
    found = Table("Process", "State", "Pid", "Log", title=f"The lab in {folder.path}: {_phase(state)}")
    found.add_row("supervisor", _alive(state.supervisor, ready=True), str(state.supervisor.pid), "supervisor.log")
    for child in state.children:
        found.add_row(
            child.name, _alive(child.identity, ready=child.ready), str(child.identity.pid), Path(child.log).name
        )
    return found


def _set_up(folder: Folder, plan: Plan, console: Console) -> None:
    """Raises BuildFailed; a partly created kind cluster is then removed, but an existing one is kept."""
    try:
        with build_progress(f"Running {' '.join(plan.setup[:3])}", 0, console) as watcher:
            commands.run(plan.setup, folder.path, os.environ, watcher)
    except BuildFailed as error:
        folder.write_plan(replace(plan, cleanup=()))
        raise BuildFailed(f"{error}\nIf an earlier lab left it behind: {shlex.join(plan.cleanup)}") from None


def _end_processes(state: State) -> None:
    state.supervisor.end(20)
    # Left over if the system does not end children with their parent.
    for child in state.children:
        child.identity.end(0)


def _phase(state: State) -> str:
    return str(state.phase) if state.phase is Phase.FAILED or state.supervisor.alive else "killed"


def _alive(identity: Identity, *, ready: bool) -> str:
    if not identity.alive:
        return "ended"
    return "ready" if ready else "starting"

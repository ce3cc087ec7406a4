"""The folder of a lab (`.lab`): the requested plan, the state, and the environment for a shell."""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from dynconfig_lab.processes import Identity, Program

T = TypeVar("T")
FRESH = ".new"


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Plan:
    """All data that the supervisor needs."""

    programs: tuple[Program, ...]
    exports: Mapping[str, str] = field(default_factory=dict)
    """The lines of `.lab/env`."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What is where, for the summary."""
    setup: tuple[str, ...] = ()
    """A command to run before; it may take minutes."""
    cleanup: tuple[str, ...] = ()
    """A command to run after; it undoes what `setup` did, and may find nothing to do."""


@dataclass(frozen=True)
class Running:
    name: str
    identity: Identity
    ready: bool
    log: str


@dataclass(frozen=True)
class State:
    phase: Phase
    supervisor: Identity
    children: tuple[Running, ...] = ()
    reason: str = ""
    """Why it failed."""

    @property
    def runs(self) -> bool:
        return self.phase is not Phase.FAILED and self.supervisor.alive


PLAN = TypeAdapter(Plan)
STATE = TypeAdapter(State)


@dataclass(frozen=True)
class Folder:
    path: Path

    @property
    def env(self) -> Path:
        return self.path / "env"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def control_plane(self) -> Path:
        return self.path / "controlplane"

    @property
    def kind_kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    def plan(self) -> Plan | None:
        return _read(self.path / "plan.json", PLAN)

    def state(self) -> State | None:
        return _read(self.path / "state.json", STATE)

    def write_plan(self, plan: Plan) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(self.path / "plan.json", PLAN.dump_json(plan, indent=2))

    def write_state(self, state: State) -> None:
        _replace(self.path / "state.json", STATE.dump_json(state, indent=2))

    def write_env(self, exports: Mapping[str, str]) -> None:
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
        _replace(self.env, "".join(lines).encode())

    def clear(self) -> None:
        """Remove what the lab wrote, by name; the folder too if it is then empty."""
        plan = self.plan()
        logs = [f"{program.name}.log" for program in plan.programs] if plan else []
        for name in ("env", "kubeconfig", "plan.json", "state.json", "supervisor.log", *logs):
            for written in (name, f"{name}{FRESH}"):
                (self.path / written).unlink(missing_ok=True)
        shutil.rmtree(self.control_plane, ignore_errors=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


def _read(path: Path, adapter: TypeAdapter[T]) -> T | None:
    try:
        return adapter.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # the second: written by another version of the lab
        return None


def _replace(path: Path, content: bytes) -> None:
    """Atomic: readers see the old or the new content."""
    fresh = path.with_name(f"{path.name}{FRESH}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        fresh.replace(path)
    finally:
        # It still exists if the disk is full.
        fresh.unlink(missing_ok=True)

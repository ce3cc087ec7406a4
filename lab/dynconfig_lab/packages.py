"""Programs of Debian packages: from PATH, or installed with apt."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from dynconfig_lab import commands
from dynconfig_lab.errors import LabError
from dynconfig_lab.progress import build_progress


def program(name: str, console: Console, environment: Mapping[str, str] = os.environ) -> Path:
    """Return a program from PATH; as root, install the package of the same name with apt if it is missing.

    Raises LabError, which says what to install, and BuildFailed with the output of apt.
    """
    path = environment.get("PATH", "")
    found = shutil.which(name, path=path)
    if found:
        return Path(found)
    installer = shutil.which("apt-get", path=path)
    if not installer or os.geteuid():
        raise LabError(f"{name} is not on PATH. Install it (on Debian: apt-get install {name}), then run again.")
    for arguments in (("update",), ("install", "--yes", "--no-install-recommends", name)):
        with build_progress(f"Installing {name}: apt-get {arguments[0]}", 0, console) as watcher:
            commands.run(
                (installer, *arguments), Path("/"), {**environment, "DEBIAN_FRONTEND": "noninteractive"}, watcher
            )
    installed = shutil.which(name, path=path)
    if not installed:
        raise LabError(f"apt-get installed {name}, and it is still not on PATH.")
    return Path(installed)

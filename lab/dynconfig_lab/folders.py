"""Temporary folders named after the process that made them: a later lab removes those of a killed one."""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from dynconfig_lab.processes import Identity

_NAME = re.compile(r"dynconfig-(?:function|runtime|stage)-(\d+)-\w+")


def made(kind: str) -> Path:
    """A new folder of this process."""
    return Path(tempfile.mkdtemp(prefix=f"dynconfig-{kind}-{os.getpid()}-"))


def remove(folder: Path) -> None:
    """Remove it, whatever its permissions are; a missing folder is not an error."""
    _unlock(folder)
    for path, names, _ in os.walk(folder):
        for name in names:
            _unlock(Path(path, name))
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of processes that no longer exist."""
    for folder in Path(tempfile.gettempdir()).glob("dynconfig-*"):
        found = _NAME.fullmatch(folder.name)
        if found is not None and Identity.of(int(found[1])) is None:
            # Another lab may remove folders at the same time.
            remove(folder)


def _unlock(folder: Path) -> None:
    # The target of a link is not part of the folder.
    if not folder.is_symlink():
        with suppress(OSError):
            folder.chmod(0o700)

"""The user's cache folder: slow builds run once, and are either complete there or absent."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console

from dynconfig_lab import folders
from dynconfig_lab.locks import locked

UNFINISHED = ".partial"


@dataclass(frozen=True)
class Cache:
    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return cls(Path(base).absolute() / "dynconfig-lab")

    def entry(self, name: str, version: str, *made_from: bytes | str) -> Path:
        """The folder for these inputs; other inputs have another folder."""
        digest = hashlib.sha256()
        for part in made_from:
            digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
        return self.root / f"{name}-{version}-{digest.hexdigest()[:12]}"

    @contextmanager
    def locked(self, console: Console) -> Iterator[None]:
        """A lock against other processes that build here, so that unfinished files can be removed."""

        def waiting() -> None:
            console.print(f"Another start builds into {self.root}; waiting for it …", soft_wrap=True)

        with locked(self.root, waiting):
            for unfinished in self.root.glob(f"*{UNFINISHED}"):
                folders.remove(unfinished)
            yield

    def make(self, entry: Path, fill: Callable[[Path], None]) -> Path:
        """Fill the folder unless it exists; call it within `locked`. A failed or interrupted build leaves no folder."""
        if entry.is_dir():
            return entry
        unfinished = entry.with_name(entry.name + UNFINISHED)
        unfinished.mkdir(parents=True)
        try:
            fill(unfinished)
            unfinished.rename(entry)
        finally:
            # Module sources are read-only.
            folders.remove(unfinished)
        return entry

    @property
    def go_home(self) -> Path:
        """Go's downloads and compiled packages; kept after a failure, so that a retry is faster."""
        return self.root / "go-workshop"

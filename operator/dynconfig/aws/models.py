"""botocore's descriptions of AWS, read without what it spends most of the time on: a person waits for the first call."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader


class Models(Loader):
    """Knows a service by its folder; botocore looks into each of four hundred folders, once for each kind of file."""

    def __init__(self, data_path: str | None) -> None:
        extra = [os.path.expandvars(Path(path).expanduser()) for path in (data_path or "").split(os.pathsep) if path]
        super().__init__(extra_search_paths=extra, file_loader=_Files())

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - a folder may be for any of them
        """The names of all folders that describe services."""
        folders = [folder for folder in map(Path, self.search_paths) if folder.is_dir()]
        return sorted({name for folder in folders for name in os.listdir(folder)})


class _Files(JSONFileLoader):
    """Reads objects as the dictionaries that they are, which keep their order by themselves."""

    def load_file(self, file_path: str) -> Any:
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return json.loads(plain.read_bytes())
        return json.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None

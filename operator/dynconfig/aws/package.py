"""The function's code as a zip file: the same bytes for the same sources, wherever and whenever it is made."""

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

NAME = "dynconfig_function"
FILE = "parameters.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


@dataclass(frozen=True, slots=True)
class Package:
    """A zip file and its hash as Lambda says it."""

    content: bytes
    sha256: str


def package(declared: str) -> Package:
    """The package; with `declared` as its list of parameters where that is too long for the environment."""
    files = dict(_sources())
    if declared:
        files[f"{NAME}/{FILE}"] = declared.encode()
    return _zipped(tuple(sorted(files.items())))


@cache
def _sources() -> tuple[tuple[str, bytes], ...]:
    found = find_spec(NAME)
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(f"{NAME} is not installed beside the operator")
    folder = Path(found.submodule_search_locations[0])
    return tuple((f"{NAME}/{path.name}", path.read_bytes()) for path in sorted(folder.glob("*.py")))


# Objects with long declarations have packages of their own, and the same one at each look.
@lru_cache(maxsize=64)
def _zipped(files: tuple[tuple[str, bytes], ...]) -> Package:
    buffer = io.BytesIO()
    # Stored, since what a compressor writes depends on its version.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            about = zipfile.ZipInfo(name, _EPOCH)
            about.external_attr = _MODE
            about.create_system = 3
            archive.writestr(about, content)
    content = buffer.getvalue()
    # https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
    return Package(content, base64.b64encode(hashlib.sha256(content).digest()).decode())

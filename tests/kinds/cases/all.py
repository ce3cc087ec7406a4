"""The cases of all files in this folder; a test compares them with the kinds that are wired."""

from importlib import import_module
from pathlib import Path
from typing import Any

from tests.kinds.cases.case import Case, Spec

_FILES = sorted(path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
_MODULES = [import_module(f"tests.kinds.cases.{path.stem}") for path in _FILES]

CASES: dict[str, Case] = {
    name.lower(): value for module in _MODULES for name, value in vars(module).items() if isinstance(value, Case)
}


def everything() -> dict[str, Any]:
    """A spec with all kinds except an attachment."""
    spec: dict[str, Any] = {"tags": {"team": "shop"}}
    for case in CASES.values():
        spec = merged(spec, case.feature)
    return spec


def merged(spec: Spec, more: Spec) -> dict[str, Any]:
    """Both specs; a list of `more` replaces one of `spec`."""
    added = {
        key: merged(spec[key], value) if isinstance(value, dict) and isinstance(spec.get(key), dict) else value
        for key, value in more.items()
    }
    return {**spec, **added}

"""The cases of all files in this folder; a test compares them with the kinds that are wired."""

from importlib import import_module
from pathlib import Path

from tests.kinds.cases.case import Case

_FILES = sorted(path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
_MODULES = [import_module(f"tests.kinds.cases.{path.stem}") for path in _FILES]

CASES: dict[str, Case] = {
    name.lower(): value for module in _MODULES for name, value in vars(module).items() if isinstance(value, Case)
}

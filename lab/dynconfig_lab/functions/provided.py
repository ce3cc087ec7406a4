"""What Lambda provides to a Python function: the runtime client, boto3 and their dependencies, and nothing else of this
machine."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
PROVIDED = ("awslambdaric", "boto3")


def provide(folder: Path) -> None:
    """Link everything into a folder that a function can import besides its own code and layers."""
    for found in _with_requirements(PROVIDED):
        for name in _entries(found):
            link = folder / name
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(name))))


def _with_requirements(names: tuple[str, ...]) -> Iterator[Distribution]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            # Required on other machines or versions only.
            continue
        yield found
        waiting += [_bare(text) for text in found.requires or () if "extra ==" not in text]


def _bare(requirement: str) -> str:
    """The name in a requirement such as `botocore (<2,>=1)`."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def _entries(found: Distribution) -> set[str]:
    tops = {path.parts[0] for path in found.files or ()}
    return {top for top in tops if top not in ("..", "__pycache__") and not top.endswith(".dist-info")}

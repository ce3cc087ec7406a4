"""The output of every command, in a file beside the tests: `make golden` regenerates them, a diff shows what changed."""

import os
import re
from pathlib import Path

from tests.cli.shell import Result

FOLDER = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]

# Parts that vary with the function's code, the test's folder and the clock.
_VARYING = (
    (re.compile(r"\b[A-Za-z0-9+/]{43}=(?=$|\W)", re.MULTILINE), "(hash of the code)"),
    (re.compile(rf"{re.escape(str(ROOT))}/"), ""),
    (re.compile(r"/\S*/pytest-of-[^/\s]+/pytest-\d+/[^/\s]+/"), ""),
)


def check(name: str, result: Result) -> None:
    """Compare the output of a command with its golden file."""
    text = result.text
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    # Help is padded to the width of the terminal.
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    file = FOLDER / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    expected = file.read_text(encoding="utf-8") if file.exists() else ""
    assert text == expected, f"{file.name} differs; `make golden` regenerates it"

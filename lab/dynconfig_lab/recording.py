"""`make session`: records a session in the lab, command by command, and writes the animated picture of the README."""

import os
import pty
import re
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dynconfig_lab.console import EXAMPLE, PATH
from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import end_as_interrupted
from dynconfig_lab.stack import Stack, stack

PICTURE = EXAMPLE.parents[2] / "docs" / "session.svg"
COLUMNS = 104
# The reading time between a command's output and the next command.
READING_SECONDS = 1.5
TYPING_SECONDS = 0.8
PROMPT = "$ "

SESSION = (
    "kubectl apply -f myapp.yaml",
    "dynconfig status myapp --watch",
    "",
    "# a value is changed in AWS; the operator receives the event and corrects the drift",
    f"aws ssm put-parameter --name {PATH}/api/timeout --value 999 --overwrite --query Version",
    "kubectl get events --field-selector reason=DriftFound -o custom-columns=FOUND:.message",
    f"aws ssm get-parameter --name {PATH}/api/timeout --query Parameter.Value",
    "",
    "# a change: first what it would do, then the deed",
    'sed -i \'s/"30"/"45"/; s/battery-staple/another-word/\' myapp.yaml',
    "dynconfig plan -f myapp.yaml",
    "kubectl apply -f myapp.yaml",
    "dynconfig status myapp --watch",
    "dynconfig history myapp",
    "",
    "# what would go with the object",
    "dynconfig plan --delete myapp",
)


@dataclass(frozen=True)
class Line:
    """A line of the screen, and its time in seconds after the start."""

    at: float
    text: str


def main() -> None:
    """Record and write the picture; a failure prints one sentence and exits with code 1."""
    end_as_interrupted()
    console = Console(highlight=False)
    try:
        aws = aws_cli()
        with stack(console) as found:
            lines = list(record(found, SESSION, aws, console))
    except LabError as error:
        console.print(Text(f"error: {error}", style="red"), soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        console.print("\n  Interrupted; everything that was started has ended.")
        raise SystemExit(130) from None
    PICTURE.write_text(drawn(lines, COLUMNS), encoding="utf-8")
    console.print(f"  {PICTURE.name}: {len(lines)} lines, {lines[-1].at:.0f} s")


def aws_cli() -> Path:
    """The folder of the AWS CLI. Raises LabError."""
    found = shutil.which("aws")
    if found is None:
        raise LabError("The AWS CLI is not on PATH. Install it (pip install awscli), then run again.")
    return Path(found).parent


def record(found: Stack, session: Sequence[str], aws: Path, console: Console) -> Iterator[Line]:
    """The terminal's content while these commands are typed. Raises LabError if one fails."""
    folder = found.folder / "session"
    folder.mkdir()
    shutil.copy2(EXAMPLE, folder)
    path = (Path(sys.executable).parent, found.kubectl_binary.parent, aws, os.environ["PATH"])
    environment = {
        **found.environment,
        "PATH": os.pathsep.join(map(str, path)),
        "COLUMNS": str(COLUMNS),
        # In colour, and without overwritten lines.
        "FORCE_COLOR": "1",
        "TERM": "dumb",
        "AWS_PAGER": "",
    }
    started = time.monotonic()
    for command in session:
        console.print(Text(f"  {PROMPT}{command}" if command else "", style="bold"))
        if not command or command.startswith("#"):
            yield Line(time.monotonic() - started, f"\x1b[2m{command}\x1b[0m")
            continue
        # The recording shows a user, who reads and types.
        time.sleep(TYPING_SECONDS)
        yield Line(time.monotonic() - started, f"\x1b[1m{PROMPT}{command}\x1b[0m")
        for text in _output(command, folder, environment):
            console.print(Text(f"    {text}", style="dim"))
            yield Line(time.monotonic() - started, text)
        time.sleep(READING_SECONDS)


def _output(command: str, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The lines that a command writes to a terminal, as they arrive."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (60, COLUMNS))
    with subprocess.Popen(
        ("/bin/bash", "-c", command),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        with os.fdopen(ours, encoding="utf-8", newline="") as screen:
            for line in _until_hung_up(screen):
                yield line.rstrip("\r\n")
    # A plan with changes exits with 2.
    if process.returncode not in (0, 2):
        raise LabError(f"`{command}` ended with exit code {process.returncode}")


def _until_hung_up(screen: Iterator[str]) -> Iterator[str]:
    """Lines until the last process closes the terminal, which Linux reports as a read error."""
    while True:
        try:
            yield next(screen)
        except (StopIteration, OSError):
            return


def drawn(lines: Sequence[Line], columns: int) -> str:
    """The picture: an SVG in which each line appears at its time; without animation all lines are visible."""
    console = Console(
        record=True, file=StringIO(), width=columns, force_terminal=True, color_system="truecolor", highlight=False
    )
    times: list[float] = []
    for line in lines:
        for part in Text.from_ansi(line.text).wrap(console, columns) or [Text()]:
            console.print(part, no_wrap=True, crop=True)
            times.append(line.at)
    appearing = "\n".join(
        f'[clip-path="url(#session-line-{number})"] {{{{ animation-delay: {at:.1f}s }}}}'
        for number, at in enumerate(times)
    )
    picture = console.export_svg(
        title="dynconfig", unique_id="session", font_aspect_ratio=0.6, code_format=_SVG.replace("APPEARING", appearing)
    )
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)


# rich fills in the fields in braces; braces of CSS are doubled.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.{unique_id}-title {{ font: bold 18px sans-serif }}
{styles}
@media (prefers-reduced-motion: no-preference) {{
.{unique_id}-matrix text {{ animation: appear 0.2s both }}
APPEARING
}}
@keyframes appear {{ from {{ opacity: 0 }} }}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


if __name__ == "__main__":
    main()

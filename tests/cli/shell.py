"""Runs the command line in this process like a shell: arguments, environment and input; output and exit code."""

import contextlib
import io
import os
from dataclasses import dataclass

import pytest

from dynconfig.cli.app import main


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """The complete result in the format of a golden file."""
        parts = [f"$ dynconfig {' '.join(self.arguments)}", self.out.rstrip("\n")]
        parts += ["--- standard error", self.err.rstrip("\n")] if self.err else []
        return "\n".join([*parts, f"--- exit code {self.code}", ""])


def dynconfig(*arguments: str, stdin: str = "", **environment: str) -> Result:
    """Run a command without cluster, colours and AWS unless the environment configures them."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    quiet = {"KUBECONFIG": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1", "TERM": "dumb"}
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as world, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for name in tuple(os.environ):
            world.delenv(name)
        for name, text in {**kept, **quiet, **environment}.items():
            world.setenv(name, text)
        world.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Result(arguments, code, out.getvalue(), err.getvalue())

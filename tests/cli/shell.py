"""Runs the command line in this process, as a shell would: arguments, environment and input go in, texts and a code come out."""

import contextlib
import io
import os
from dataclasses import dataclass

import pytest

from dynconfig.cli.app import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All of it, as it stands in a golden file."""
        parts = [f"$ dynconfig {' '.join(self.arguments)}", self.out.rstrip("\n")]
        parts += ["--- standard error", self.err.rstrip("\n")] if self.err else []
        return "\n".join([*parts, f"--- exit code {self.code}", ""])


def dynconfig(*arguments: str, stdin: str = "", **environment: str) -> Result:
    """Run a command; no cluster, no colours and no AWS but what the environment names."""
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

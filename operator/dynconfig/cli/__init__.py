"""The door of the terminal: `dynconfig`, also `kubectl dynconfig`."""

import gc
import io
import os
import sys


def main() -> None:
    """Run the command line of this process; ends it with the command's exit code."""
    # Both before anything is imported. Hardly any of it is garbage, and to look for it takes a tenth of a short command;
    # a command that stays turns it on again. There are no plugins of pydantic, and to look for them reads every package.
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where it cannot show a ✓, anything is better than to fail.
        sys.stdout.reconfigure(errors="replace")
    from dynconfig.cli import app

    try:
        app.main()
    except SystemExit as ended:
        if gc.isenabled() or not isinstance(ended.code, int):
            raise
        _leave(ended.code)


def _leave(code: int) -> None:
    """End without taking apart what was imported, which takes a tenth of a second: a short command has nothing to tidy up."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough, as `head` has.
        code = 141
    except OSError as error:
        # A full disk, which writing may have told already.
        if code != 1:
            sys.stderr.write(f"error: standard output cannot be written: {error.strerror}\n")
        code = 1
    sys.stderr.flush()
    os._exit(code)

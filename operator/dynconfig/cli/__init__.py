"""The command line: `dynconfig`, also `kubectl dynconfig`."""

import gc
import io
import os
import sys


def main() -> None:
    """Run the command line and exit with the command's exit code."""
    # Before any import. Garbage collection takes a tenth of the time of a short command and finds next to nothing;
    # long-running commands enable it again. Pydantic plugins are not used, and searching for them reads every package.
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a ✓ gets a replacement character instead of an error.
        sys.stdout.reconfigure(errors="replace")
    from dynconfig.cli import app

    try:
        app.main()
    except SystemExit as ended:
        if gc.isenabled() or not isinstance(ended.code, int):
            raise
        _exit(ended.code)


def _exit(code: int) -> None:
    """Exit without interpreter shutdown, which takes a tenth of a second; a short command has nothing to clean up."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does.
        code = 141
    except OSError as error:
        # A full disk, which may have been reported already.
        if code != 1:
            sys.stderr.write(f"error: cannot write to standard output: {error.strerror}\n")
        code = 1
    sys.stderr.flush()
    os._exit(code)

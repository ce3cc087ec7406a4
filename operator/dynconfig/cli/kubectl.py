"""Shell completion of `kubectl dynconfig`: kubectl calls a program that is named after the plugin.

https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

import os
import shlex
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

from dynconfig.cli import app

# Directives of cobra, the CLI library of kubectl: complete file names, or nothing else.
FILES, NO_FILES = 0, 4


def main() -> None:
    """Print the completions of the last argument in the format that cobra expects."""
    words = [app.NAME, *sys.argv[1:]]
    os.environ.update(
        {
            f"_{app.NAME.upper()}_COMPLETE": "complete_bash",
            "COMP_WORDS": shlex.join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
    )
    with redirect_stdout(StringIO()) as answer, suppress(SystemExit):
        app.main([])
    found = answer.getvalue().split()
    sys.stdout.write("".join(f"{line}\n" for line in (*found, f":{NO_FILES if found else FILES}")))

"""The door of the terminal: `dynconfig`, also `kubectl dynconfig`."""

import gc
import os


def main() -> None:
    """Run the command line of this process; ends it with the command's exit code."""
    # Both before anything is imported. Hardly any of it is garbage, and to look for it takes a tenth of a short command;
    # a command that stays turns it on again. There are no plugins of pydantic, and to look for them reads every package.
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from dynconfig.cli import app

    app.main()

"""The door of the terminal: `dynconfig`, also `kubectl dynconfig`."""

import gc

# Nothing of what is imported is garbage: to look through it again and again costs a tenth of a short command.
gc.set_threshold(50_000, 10, 10)

from dynconfig.cli.app import main  # noqa: E402 - only what is imported from here on is spared

__all__ = ["main"]

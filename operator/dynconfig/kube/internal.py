"""Internal errors: a short message in status, the traceback in the log, and no value in either."""

import logging
import traceback
from pathlib import Path
from types import TracebackType

import dynconfig
from dynconfig.kube.traces import trace
from dynconfig.model.errors import InternalError
from dynconfig.model.key import Key

log = logging.getLogger(__name__)

_OWN = str(Path(dynconfig.__file__).parent)


def bug(key: Key, failure: BaseException) -> InternalError:
    """Log an unexpected exception of a reconcile; return the error to report on the object."""
    log.error("Reconciling %s failed (operator bug):\n%s", key, trace(failure))
    return internal_error(failure)


def internal_error(failure: BaseException) -> InternalError:
    """Return the error for status and Events: exception type and place, but not its message, which may quote a value."""
    return InternalError(
        f"{type(failure).__name__} in {_place(failure.__traceback__)}; retrying. "
        "This is an operator bug: please report it with the traceback from the operator log"
    )


def _place(found: TracebackType | None) -> str:
    """Return the innermost frame of this package, even if a library raised."""
    frames = traceback.extract_tb(found)
    frame = next((frame for frame in reversed(frames) if frame.filename.startswith(_OWN)), None)
    if frame is None:
        return "a library"
    return f"{Path(frame.filename).relative_to(_OWN)}:{frame.lineno} ({frame.name})"

"""A bug in the operator as a user sees it: a short message in status, the traceback in the log, and no value in either."""

import logging
import traceback
from pathlib import Path
from types import TracebackType

import dynconfig
from dynconfig.engine.errors import InternalError
from dynconfig.engine.traces import trace
from dynconfig.engine.work_queue import Key

log = logging.getLogger(__name__)

_OWN = str(Path(dynconfig.__file__).parent)


def bug(key: Key, failure: BaseException) -> InternalError:
    """Log a bug that a reconcile of this object met; answers what is reported on it."""
    log.error("Reconciling %s failed with a bug in the operator:\n%s", key, trace(failure))
    return internal_error(failure)


def internal_error(failure: BaseException) -> InternalError:
    """What status and Events say of a bug: its type and its place. Its own words may quote a value."""
    return InternalError(
        f"the operator failed with {type(failure).__name__} in {_place(failure.__traceback__)}; it tries again. "
        "This is a bug: please report it with the traceback in the operator's log"
    )


def _place(found: TracebackType | None) -> str:
    """The innermost line of ours, where most bugs are, even if a library raised."""
    frames = traceback.extract_tb(found)
    frame = next((frame for frame in reversed(frames) if frame.filename.startswith(_OWN)), None)
    if frame is None:
        return "a library"
    return f"{Path(frame.filename).relative_to(_OWN)}:{frame.lineno} ({frame.name})"

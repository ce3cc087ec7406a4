"""The number of calls that work makes: it depends neither on the machine nor on what runs beside it."""

import gc
import sys
from collections.abc import Callable
from types import FrameType


def calls_of(work: Callable[[], object], name: str = "") -> int:
    """Return how many functions of Python and C were called, and generators resumed, in this thread.

    With a name: how many functions of C with this name.
    """
    found = 0

    def count(_frame: FrameType, event: str, called: object) -> None:
        nonlocal found
        if name:
            found += event == "c_call" and getattr(called, "__name__", "") == name
        else:
            found += event in ("call", "c_call")

    # The garbage of other tests has finalizers, which would run and count here.
    gc.disable()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return found

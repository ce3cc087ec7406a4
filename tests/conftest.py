"""For all tests: what a run draws at random, and that Ctrl-C is heard by all that is started.

Properties are tried with the same examples in every run, so that a change is judged by what it changes. ``make explore``
draws new ones, many of them.
"""

import signal

from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=5_000, deadline=None)
settings.load_profile("same")


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # An ignored signal stays ignored in every process started from here, as in a shell's background.
        signal.signal(signal.SIGINT, signal.default_int_handler)

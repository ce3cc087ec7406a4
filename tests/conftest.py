"""For all tests: Ctrl-C is heard by what they start, also where the shell that runs them in the background ignores it."""

import signal


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # An ignored signal stays ignored in every process started from here.
        signal.signal(signal.SIGINT, signal.default_int_handler)

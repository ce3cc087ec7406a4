"""Free ports on the loopback interface."""

import os
import random
import socket

from dynconfig_lab.errors import LabError

HOST = "127.0.0.1"
# Below the range of ephemeral ports, so that no outgoing connection uses one of them.
RANGE = range(20_000, 32_000)
VARIABLE = "DYNCONFIG_LAB_PORTS"
"""The environment variable that narrows the range, for example to 20000-21999."""


def share(number: int, count: int) -> range:
    """The ports of one of several processes, counted from 0, that start labs at the same time.

    A free port is bound only seconds later: two processes with one range may choose the same.
    """
    size = len(RANGE) // count
    return RANGE[number * size : (number + 1) * size]


def free_ports(count: int) -> list[int]:
    """This many ports without a listener. Raises LabError if there are fewer, or the range is invalid."""
    allowed, found = _range(), list[int]()
    for port in random.sample(allowed, len(allowed)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise LabError(
        f"Of the ports {allowed.start} to {allowed.stop - 1} on {HOST}, {count} should be free, and are not."
    )


def _range() -> range:
    text = os.environ.get(VARIABLE)
    if text is None:
        return RANGE
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65_536):
        raise LabError(f"{VARIABLE}: invalid value {text!r}, expected e.g. 20000-21999")
    return range(int(first), int(last) + 1)


def port_or_free(asked: int | None, option: str) -> int:
    """The requested port, if it is available; any free one if none was requested."""
    if asked is None:
        return free_ports(1)[0]
    if not is_free(asked):
        raise LabError(f"Port {asked} on {HOST} is in use or not allowed; choose another with {option}, or omit it.")
    return asked


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

"""Free ports on the loopback interface."""

import random
import socket

from dynconfig_lab.errors import LabError

HOST = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections, so that none of them takes ours meanwhile.
RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(RANGE, len(RANGE)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise LabError(f"Of the ports {RANGE.start} to {RANGE.stop} on {HOST}, {count} should be free, and are not.")


def port_or_free(asked: int | None, option: str) -> int:
    """The port that was asked for, if it can be had; any free one if none was."""
    if asked is None:
        return free_ports(1)[0]
    if not is_free(asked):
        raise LabError(
            f"Port {asked} on {HOST} is in use or not allowed; choose another with {option}, or leave it out."
        )
    return asked


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

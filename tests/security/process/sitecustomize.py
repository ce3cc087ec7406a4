"""Imported by Python before the operator: all libraries log at the lowest level, and the file system is read-only.

Writes are rejected as by a read-only root file system, and reported on standard error.
"""

import errno
import logging
import os
import sys
from typing import Any

_CHANGES = frozenset(
    f"os.{name}"
    for name in ("mkdir", "rename", "remove", "rmdir", "link", "symlink", "truncate", "chmod", "chown", "utime")
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _mode, flags = arguments
        is_change = not isinstance(path, int) and path != os.devnull and bool(flags & _WRITES)
    else:
        is_change = event in _CHANGES
    if is_change:
        sys.stderr.write(f"READ-ONLY {event} {arguments[0]}\n")
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), arguments[0])


sys.addaudithook(_hook)
for library in (
    "aiohttp",
    "asyncio",
    "boto3",
    "botocore",
    "kopf",
    "client",  # the logger of the official Kubernetes client
    "kubernetes",
    "urllib3",
    "pydantic",
):
    logging.getLogger(library).setLevel(logging.DEBUG)

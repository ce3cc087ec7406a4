"""Exit codes, and the errors that are printed in one line each; any other error is a bug and keeps its traceback."""

import errno

from dynconfig.cli.files import BadFile
from dynconfig.model.errors import DynConfigError
from dynconfig.settings import BadSetting

FAILED = 1
CHANGES = 2
# A usage error. The usual code 2 means "changes" here. See sysexits(3).
USAGE = 64
# Errors of a full or failing disk.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Failed(Exception):
    """A command failed; the message says why and what to do."""


def expected() -> tuple[type[Exception], ...]:
    """Return the errors whose messages are written for users; imported only after an error, because it is slow."""
    from dynconfig.kube.responses import ApiRefused, NoCluster, ObjectNotFound

    return DynConfigError, BadFile, BadSetting, Failed, ApiRefused, NoCluster, ObjectNotFound


def messages(error: Exception) -> tuple[str, ...]:
    """Return the messages of an expected error, each of which is printed on a line of its own."""
    return error.faults if isinstance(error, BadSetting) else (str(error),)

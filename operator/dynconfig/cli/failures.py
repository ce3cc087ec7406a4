"""Which failures are told in one line; whatever is not among them is a bug and keeps its traceback."""

import errno

from dynconfig.engine.errors import DynConfigError
from dynconfig.files import BadFile
from dynconfig.settings import BadSetting

FAILED = 1
CHANGES = 2
# A command line that cannot be understood; 2, which is usual for it, would be taken for changes. See sysexits(3).
USAGE = 64
# What a disk answers that takes no more.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Failed(Exception):
    """A command cannot do what it was asked for; the message says why, and what to do."""


def expected() -> tuple[type[Exception], ...]:
    """The failures whose messages are written for users; asked for once something has failed."""
    from dynconfig.kube.responses import ApiRefused, NoCluster, ObjectNotFound

    return DynConfigError, BadFile, BadSetting, Failed, ApiRefused, NoCluster, ObjectNotFound

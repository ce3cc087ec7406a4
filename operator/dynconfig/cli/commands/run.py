"""`dynconfig run`."""

import ctypes
import gc
import os

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
# Larger blocks, such as texts of parameters, Secrets and events, are returned as soon as they are freed. Each takes a mapping, of
# which Linux allows 65,530.
_RETURNED_BYTES = 16 * 1024


def command() -> None:
    """Run the operator in the foreground, with settings from the environment.

    Example: AWS_REGION=eu-west-1 dynconfig run
    """
    import asyncio

    from dynconfig import handlers, logs, wiring
    from dynconfig.settings import Settings

    # Disabled for short commands; this one runs for months.
    gc.enable()
    _return_freed_memory()
    settings = Settings.from_environment(os.environ)
    logs.configure(settings)
    # Fail at once on a missing profile or an unreadable file, not at the first object.
    wiring.session(settings)

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.handle_loop_exception)
        await handlers.run(settings, asyncio.Event(), asyncio.Event())

    asyncio.run(serve())


def _return_freed_memory() -> None:
    """Let glibc return freed buffers to the system, and share arenas between threads; another C library has no mallopt.

    By default glibc keeps blocks of up to 32 MiB once one has been freed, and an arena for each thread. A block below the
    threshold is only returned if everything behind it in the heap is free, too.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _RETURNED_BYTES)
        mallopt(_M_ARENA_MAX, 2)

"""`dynconfig run`."""

import gc
import os


def command() -> None:
    """Run the operator in the foreground, with settings from the environment.

    Example: AWS_REGION=eu-west-1 dynconfig run
    """
    import asyncio

    from dynconfig import handlers, logs, wiring
    from dynconfig.settings import Settings

    # Disabled for short commands; this one runs for months.
    gc.enable()
    settings = Settings.from_environment(os.environ)
    logs.configure(settings)
    # Fail at once on a missing profile or an unreadable file, not at the first object.
    wiring.session(settings)

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.handle_loop_exception)
        await handlers.run(settings, asyncio.Event(), asyncio.Event())

    asyncio.run(serve())

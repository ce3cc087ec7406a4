"""`dynconfig run`."""

import gc
import os


def command() -> None:
    """Run the operator in the foreground, with settings from the environment.

    Example: AWS_REGION=eu-west-1 dynconfig run
    """
    import asyncio

    from dynconfig import handlers, logs
    from dynconfig.settings import Settings

    # The threshold of short commands would let a process grow that lives for months.
    gc.set_threshold(700, 10, 10)
    settings = Settings.from_environment(os.environ)
    logs.configure(settings)

    async def serve() -> None:
        await handlers.run(settings, asyncio.Event(), asyncio.Event())

    asyncio.run(serve())

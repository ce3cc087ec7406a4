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

    # Short commands do without; this one lives for months.
    gc.enable()
    settings = Settings.from_environment(os.environ)
    logs.configure(settings)
    # A profile that is not there, or a file that cannot be read, is told at once and not when the first object comes.
    wiring.session(settings)

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.handle_loop_exception)
        await handlers.run(settings, asyncio.Event(), asyncio.Event())

    asyncio.run(serve())

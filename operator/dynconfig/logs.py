"""Logging of the operator: one line for each event, as text for people or JSON for collectors."""

import logging
import sys

import structlog

from dynconfig.settings import Settings

# kopf tells of each event it hands over, and httpx of each request: neither is news.
_QUIET = ("kopf", "httpx2", "httpcore2", "httpx", "httpcore", "botocore", "urllib3", "asyncio", "aiohttp")


def configure(settings: Settings) -> None:
    """Send all logging to standard error in the chosen format."""
    logging.basicConfig(level=settings.log_level, handlers=[handler(settings)], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def handler(settings: Settings) -> logging.Handler:
    """What writes to standard error in the chosen format; a traceback shows no variable, for one may hold a secret."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(settings.log_format)],
        )
    )
    return writer


def _renderer(log_format: str) -> list[structlog.typing.Processor]:
    if log_format == "json":
        # structlog's own dict_tracebacks tells the variables of every frame.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]

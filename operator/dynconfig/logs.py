"""Logging of the operator: one line for each event, as text for people or JSON for collectors."""

import logging
import re
import sys

import structlog

from dynconfig.settings import Settings

# kopf tells of each event it hands over, and httpx of each request: neither is news.
_QUIET = ("kopf", "httpx2", "httpcore2", "httpx", "httpcore", "botocore", "urllib3", "asyncio", "aiohttp")

# A traceback has several lines.
_CONTROLS = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]")


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
        _without_controls,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]


def _without_controls(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Control characters are shown and not sent: messages repeat what AWS and the API server answer."""
    return {name: _CONTROLS.sub(_escaped, value) if isinstance(value, str) else value for name, value in event.items()}


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()

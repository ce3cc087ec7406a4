"""Logging of the operator: one line for each event, as text for people or JSON for collectors.

No secret is logged at any level. What the operator logs itself it composes without values. Libraries show requests, headers and
answers in their debug messages, and values in the words of their errors: of them only warnings are written, and of every
failure its type and its place (engine/traces.py).
"""

import asyncio
import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any, TextIO

import structlog

from dynconfig import __name__ as _package
from dynconfig.engine.traces import parts, trace
from dynconfig.settings import Settings

log = logging.getLogger(__name__)

# A traceback has several lines.
_CONTROLS = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]")
_Failure = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(settings: Settings) -> None:
    """Send all logging to standard error in the chosen format, and what nothing catches as well."""
    logging.basicConfig(level=logging.WARNING, handlers=[handler(settings)], force=True)
    logging.getLogger(_package).setLevel(settings.log_level)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    threading.excepthook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)


def of_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs a failure that an event loop caught: its own handler shows the task, and with it the words of the error."""
    log.error("%s", context["message"], exc_info=context.get("exception"))


def is_logged(record: logging.LogRecord) -> bool:
    """Whether a record may be written, whatever level its logger was given."""
    return record.levelno >= logging.WARNING or record.name.split(".", 1)[0] == _package


def handler(settings: Settings) -> logging.Handler:
    """What writes to standard error in the chosen format."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    writer = _Writer(sys.stderr)
    writer.addFilter(is_logged)
    writer.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(settings.log_format)],
        )
    )
    return writer


def _renderer(log_format: str) -> list[structlog.typing.Processor]:
    if log_format == "json":
        return [structlog.processors.ExceptionRenderer(_as_data), structlog.processors.JSONRenderer()]
    return [
        _without_controls,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_as_text),
    ]


def _as_text(stream: TextIO, failure: Any) -> None:
    stream.write("\n" + _CONTROLS.sub(_escaped, trace(failure[1])))


def _as_data(exc_info: _Failure) -> list[dict[str, Any]]:
    """The failure, then what led to it."""
    return [
        {
            "exc_type": part.type,
            "exc_value": part.words,
            "frames": [{"filename": item.filename, "lineno": item.lineno, "name": item.name} for item in part.frames],
        }
        for part in parts(exc_info[1])
    ]


class _Writer(logging.StreamHandler[Any]):
    """Writes to standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of logging
        """Name the line that cannot be written: logging itself would print what was to be in it."""
        sys.stderr.write(f"A message of {record.pathname}:{record.lineno} could not be logged\n")


def _uncaught(
    _type: type[BaseException] | None, failure: BaseException | None, _traceback: TracebackType | None
) -> None:
    if failure is None or isinstance(failure, KeyboardInterrupt):
        return
    log.critical("A failure was not caught, which is a bug in the operator", exc_info=failure)


def _without_controls(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Control characters are shown and not sent: messages repeat what AWS and the API server answer."""
    return {name: _CONTROLS.sub(_escaped, value) if isinstance(value, str) else value for name, value in event.items()}


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()

"""Logging of the operator: one line per message, as text or JSON.

No secret is logged at any level. The operator's own messages hold no values. Libraries log requests, headers and responses
at debug level, and quote values in error messages: so only their warnings are written, and of every exception its type and
place only (kube/traces.py).
"""

import asyncio
import logging
import sys
import threading
from types import TracebackType
from typing import Any, TextIO

import structlog

from dynconfig import __name__ as _package
from dynconfig.kube.traces import parts, trace
from dynconfig.model.errors import DynConfigError
from dynconfig.model.printable import printable
from dynconfig.settings import Settings

log = logging.getLogger(__name__)

# Newlines and tabs are kept for tracebacks.
_KEPT = "\n\t"
_Failure = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(settings: Settings) -> None:
    """Send all log messages and unhandled exceptions to standard error in the configured format."""
    logging.basicConfig(level=logging.WARNING, handlers=[handler(settings)], force=True)
    logging.getLogger(_package).setLevel(settings.log_level)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    threading.excepthook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)


def handle_loop_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception of an event loop; asyncio's own handler would print the task and the exception message."""
    log.error("%s", context["message"], exc_info=context.get("exception"))


def is_logged(record: logging.LogRecord) -> bool:
    """Return whether a record may be written, regardless of the level of its logger."""
    return (record.levelno >= logging.WARNING or record.name.split(".", 1)[0] == _package) and not _is_reported(record)


def _is_reported(record: logging.LogRecord) -> bool:
    """Whether botocore logs an error of ours, which the call that needed the credentials reports as well."""
    failure = record.exc_info[1] if record.exc_info else None
    return record.name == "botocore.credentials" and isinstance(failure, DynConfigError)


def handler(settings: Settings) -> logging.Handler:
    """Return the handler for standard error in the configured format."""
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
    stream.write("\n" + printable(trace(failure[1]), _KEPT))


def _as_data(exc_info: _Failure) -> list[dict[str, Any]]:
    """Return the exception, followed by its causes."""
    return [
        {
            "exc_type": part.type,
            "exc_value": part.message,
            "frames": [{"filename": item.filename, "lineno": item.lineno, "name": item.name} for item in part.frames],
        }
        for part in parts(exc_info[1])
    ]


class _Writer(logging.StreamHandler[Any]):
    """Writes to standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - defined by logging
        """Name the source line of the message; the default handler would print its arguments."""
        sys.stderr.write(f"The message from {record.pathname}:{record.lineno} could not be logged\n")


def _uncaught(
    _type: type[BaseException] | None, failure: BaseException | None, _traceback: TracebackType | None
) -> None:
    if failure is None or isinstance(failure, KeyboardInterrupt):
        return
    log.critical("Unhandled exception (operator bug)", exc_info=failure)


def _without_controls(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters, since messages quote AWS and the API server."""
    return {name: printable(value, _KEPT) if isinstance(value, str) else value for name, value in event.items()}

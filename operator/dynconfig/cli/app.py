"""Finds the command that was asked for, runs it, and tells a failure in one line that says what to do."""

import logging
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from dynconfig import __version__
from dynconfig.cli import commands, failures
from dynconfig.cli.terminal import Terminal

NAME = "dynconfig"
HELP = "Dynamic configuration in AWS Systems Manager Parameter Store, declared in Kubernetes."


class _Commands(TyperGroup):
    """Ends a command line that cannot be understood with a code of its own; typer's contexts have no public type."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _as_usage():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _as_usage():
            return super().invoke(ctx)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with these arguments, or those of the process; ends it with its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # What fails is told at the end, once. Without any handler Python would print each warning of a library as well.
    logging.basicConfig(handlers=[logging.NullHandler()])
    try:
        application(given)(given, prog_name=NAME)
    except SystemExit:
        # Before the list of failures, which is slow to come by.
        raise
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:
        # Files are named by those who open them; so this is standard output, if it is no bug.
        if error.errno not in failures.FULL:
            raise
        Terminal.err().failure(f"standard output cannot be written: {error.strerror}")
        raise SystemExit(failures.FAILED) from None
    except failures.expected() as error:
        Terminal.err().failure(str(error))
        raise SystemExit(failures.FAILED) from None


def application(arguments: Sequence[str]) -> typer.Typer:
    """The command line with the one command that these arguments name, or with all of them."""
    app = typer.Typer(
        name=NAME,
        cls=_Commands,
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback(invoke_without_command=True)(_root)
    for name in _asked(arguments):
        # A file that is named after its command is all that a command needs.
        module = import_module(f"{commands.__name__}.{name}")
        app.command(name.rstrip("_"))(module.command)
    return app


def names() -> list[str]:
    """The modules of all commands; the name of one that would be a word of Python ends in _."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def _asked(arguments: Sequence[str]) -> list[str]:
    """The one that is named first, since each import takes time; all for help, completion and misspelt names."""
    word = next((argument for argument in arguments if not argument.startswith("-")), None)
    found = [name for name in names() if name.rstrip("_") == word]
    return found or names()


@contextmanager
def _as_usage() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        error.exit_code = failures.USAGE
        raise


def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        Terminal.out().line(f"{NAME} {__version__}")
        raise typer.Exit

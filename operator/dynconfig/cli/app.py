"""Find and run the requested command; print each failure as one line that says what to do."""

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
    """Exits with its own code on usage errors; typer's contexts have no public type."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _usage_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _usage_errors():
            return super().invoke(ctx)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with these arguments, or those of the process, and exit with its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Errors are printed once, at the end. Without a handler Python would also print each warning of a library.
    logging.basicConfig(handlers=[logging.NullHandler()])
    try:
        application(given)(given, prog_name=NAME)
    except SystemExit:
        # Before failures.expected(), whose imports are slow.
        raise
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:
        # Errors of files are reported where they are opened, so this is standard output.
        if error.errno not in failures.FULL:
            raise
        Terminal.err().failure(f"cannot write to standard output: {error.strerror}")
        raise SystemExit(failures.FAILED) from None
    except failures.expected() as error:
        for message in failures.messages(error):
            Terminal.err().failure(message)
        raise SystemExit(failures.FAILED) from None


def application(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line with only the command that the arguments name, or with all commands."""
    app = typer.Typer(
        name=NAME,
        cls=_Commands,
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback(invoke_without_command=True)(_root)
    for name in _requested(arguments):
        # A command is registered by its file name alone.
        module = import_module(f"{commands.__name__}.{name}")
        app.command(name.rstrip("_"))(module.command)
    return app


def names() -> list[str]:
    """Return the modules of all commands; a name that is a Python keyword ends in _."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def _requested(arguments: Sequence[str]) -> list[str]:
    """Return only the named command, since each import takes time; all for help, completion and unknown names."""
    word = next((argument for argument in arguments if not argument.startswith("-")), None)
    found = [name for name in names() if name.rstrip("_") == word]
    return found or names()


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        error.exit_code = failures.USAGE
        raise


def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        Terminal.out().line(f"{NAME} {__version__}")
        raise typer.Exit

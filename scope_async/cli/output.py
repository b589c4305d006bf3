"""Output of commands: data on stdout, one line per error on stderr, and the exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from scope_async.errors import ConfigurationError, MissingVariableError, ScopeError, ValidationError

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_PIPE_WIDTH = 400

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` and return its result; an error of the package becomes one line and the exit code."""
    try:
        return asyncio.run(work)
    except ScopeError as error:
        fail(str(error), code=exit_code(error))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def exit_code(error: ScopeError) -> int:
    """Return 2 if other arguments or settings would help, 1 if the service refused or did not answer."""
    wrong_use = isinstance(error, ConfigurationError | ValidationError | MissingVariableError)
    return EXIT_USAGE if wrong_use else EXIT_REFUSED


def fail(message: str, *, code: int = EXIT_USAGE) -> NoReturn:
    """Print one line on stderr and exit with `code`."""
    line = " ".join(message.split())
    typer.echo(f"scope-async: {line}", err=True)
    raise typer.Exit(code)


def print_json(data: Any) -> None:
    """Print `data` as JSON on stdout; times become ISO 8601."""
    indent = 2 if sys.stdout.isatty() else None
    typer.echo(json.dumps(data, ensure_ascii=False, indent=indent, default=str))


def stdout() -> Console:
    """Return a console on stdout; in a pipe it writes plain text without line breaks."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def stderr() -> Console:
    """Return a console on stderr; in a pipe it writes plain text without line breaks."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PIPE_WIDTH)

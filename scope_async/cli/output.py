"""Output of commands: data on stdout, one line per message on stderr, and the exit code.

Text from outside (names, prompts, what a service says) passes `printable` before a terminal sees it,
and is never read as rich markup.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import unicodedata
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TextIO, TypeVar

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from scope_async.errors import ConfigurationError, MissingVariableError, ScopeError, ValidationError

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_PIPE_WIDTH = 400
_GAP = 2
"""Blanks between two columns."""
_INVISIBLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters (C0, DEL, C1), lone surrogates, line and paragraph separators."""
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""The controls of the bidirectional algorithm, which can make text look like another (UAX 9)."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Result = TypeVar("Result")


class OutputError(OSError):
    """Stdout or stderr cannot be written: a full disk, a closed pipe.

    It has no `errno`, because typer ends the process silently at that of a closed pipe.
    """


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


def printable(text: str, *, keep: str = "") -> str:
    r"""Return `text` with what a terminal would act on written out, such as `\u001b`, except `keep`.

    These are the escapes of JSON, so a JSON document keeps its meaning.
    """
    return "".join(
        f"\\u{ord(character):04x}" if _acts(character) and character not in keep else character
        for character in text
    )


def _acts(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE or character in _BIDI


def fail(message: str, *, code: int = EXIT_USAGE) -> NoReturn:
    """Print one line on stderr and exit with `code`."""
    note(f"scope-async: {' '.join(message.split())}")
    raise typer.Exit(code)


def note(text: str, *, style: str = "") -> None:
    """Print one line for a person, on stderr; the command goes on if that is closed or full."""
    with suppress(OutputError):
        _print(Text(printable(text), style), sys.stderr)


def print_json(data: Any) -> None:
    """Print `data` as JSON on stdout; times become ISO 8601."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(data, ensure_ascii=False, indent=indent, default=_json_value)
    _echo(printable(text, keep="\n"))


def print_text(text: str) -> None:
    """Print content as it is on stdout; on a terminal, only line ends and tabs keep their effect."""
    _echo(printable(text, keep="\n\t") if sys.stdout.isatty() else text)


def print_fields(fields: Iterable[tuple[str, str]], *, err: bool = False, indent: int = 0) -> None:
    """Print one line for each name and value, with the names in a column of their own."""
    shown = list(fields)
    width = max((cell_len(name) for name, _ in shown), default=0)
    for name, value in shown:
        line = Text(" " * indent)
        line.append(name.ljust(width), "dim").append(" " * _GAP).append(printable(value))
        _print(line, sys.stderr if err else sys.stdout)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """Print a table on stdout if every line fits the terminal, else a record for each row.

    No cell is ever cut or broken, so that what is copied from the terminal is whole. `styles` are
    those of the rows. In a pipe it is always a table, a line for each row.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
    if not sys.stdout.isatty() or sum(widths) + _GAP * len(widths) <= _console(sys.stdout).width:
        _print_columns(titles, cells, widths, styles)
        return
    for number, row in enumerate(cells):
        if number:
            _print(Text(), sys.stdout)
        _print(Text(row[0], f"bold {styles[number]}" if styles else "bold"), sys.stdout)
        print_fields(zip(map(str.lower, titles[1:]), row[1:], strict=True), indent=_GAP)


def _print_columns(
    titles: Sequence[str], cells: list[list[str]], widths: list[int], styles: Sequence[str]
) -> None:
    for number, row in enumerate([list(titles), *cells]):
        line = "".join(
            cell + " " * (width - cell_len(cell) + _GAP) for cell, width in zip(row, widths, strict=True)
        )
        style = "bold" if number == 0 else styles[number - 1] if styles else ""
        _print(Text(line.rstrip(), style), sys.stdout)


def utc(at: datetime | None) -> str:
    """Return an instant to the minute with its zone, such as `2026-11-03 14:05 UTC`; `never` for None."""
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def stdout() -> Console:
    """Return a console on stdout; in a pipe it writes plain text without line breaks."""
    return _console(sys.stdout)


def escape_unencodable() -> None:
    r"""Make stdout and stderr write out what their encoding lacks, such as `\u2713`, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")


class _Console(Console):
    """A console whose broken pipe is an error like any other; rich would exit silently."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _console(stream: TextIO) -> Console:
    return _Console(file=stream, highlight=False, width=None if stream.isatty() else _PIPE_WIDTH)


def print_styled(text: Text) -> None:
    """Print a line on stdout; the caller has made its text `printable`."""
    _print(text, sys.stdout)


def _print(text: Text, stream: TextIO) -> None:
    with _output_errors(stream):
        # Soft-wrapped: the terminal breaks a long line, and copying it joins it again.
        _console(stream).print(text, soft_wrap=True)


def _echo(text: str) -> None:
    with _output_errors(sys.stdout):
        typer.echo(text)


@contextmanager
def _output_errors(stream: TextIO) -> Iterator[None]:
    try:
        yield
        stream.flush()  # what is written to a pipe or file otherwise fails when the process ends
    except OSError as error:
        discard(stream)
        raise OutputError(f"cannot write the output: {error.strerror}") from None


def discard(stream: TextIO) -> None:
    """Write nowhere what is left in the buffer, which the interpreter flushes once more at its end."""
    with suppress(OSError):  # no descriptor behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

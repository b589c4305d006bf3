"""Output of commands and their exit codes."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer

from scope_async.cli.output import (
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    EXIT_USAGE,
    exit_code,
    fail,
    note,
    print_fields,
    print_json,
    print_table,
    print_text,
    printable,
    run,
    stdout,
    utc,
)
from scope_async.errors import (
    ConfigurationError,
    InvalidCredentialsError,
    MissingApiKeyError,
    NotFoundError,
    ScopeError,
    TimeoutError,
    ValidationError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), EXIT_USAGE),
        (MissingApiKeyError("x"), EXIT_USAGE),
        (ValidationError("x"), EXIT_USAGE),
        (NotFoundError("x"), EXIT_REFUSED),
        (InvalidCredentialsError("x"), EXIT_REFUSED),
        (TimeoutError("x"), EXIT_REFUSED),
    ],
)
def test_exit_code_tells_wrong_use_from_a_refusal(error, code):
    assert exit_code(error) == code


def test_fail_prints_one_line_on_stderr(capsys):
    with pytest.raises(typer.Exit) as ended:
        fail("first\n  second", code=EXIT_REFUSED)
    assert ended.value.exit_code == EXIT_REFUSED
    assert capsys.readouterr() == ("", "scope-async: first second\n")


def test_run_returns_the_result():
    async def work() -> int:
        return 5

    assert run(work()) == 5


def test_run_turns_an_error_into_one_line_and_an_exit_code(capsys):
    async def work() -> None:
        raise ScopeError("no\nanswer")

    with pytest.raises(typer.Exit) as ended:
        run(work())
    assert ended.value.exit_code == EXIT_REFUSED
    assert capsys.readouterr() == ("", "scope-async: no answer\n")


def test_run_exits_with_130_on_ctrl_c():
    async def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        run(work())
    assert ended.value.exit_code == EXIT_INTERRUPTED


def test_print_json_is_one_line_in_a_pipe(capsys):
    print_json({"name": "Zoë", "at": datetime(2026, 11, 3, tzinfo=UTC)})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"name": "Zoë", "at": "2026-11-03T00:00:00+00:00"}


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J",
        "\x9b2J",
        "\x7f",
        "a\nb",
        "\r",
        "\u202eexe.txt",
        "\u2066",
        "\u2028",
        "\ud800",
        "\x00",
        "\u200f",
    ],
)
def test_printable_writes_out_what_a_terminal_acts_on(hostile):
    shown = printable(hostile)
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == hostile


@pytest.mark.parametrize("name", ["Zoë", "日本語", "a\u200cb", "👩\u200d💻", "[bold]", "a\\b"])
def test_printable_leaves_writing_alone(name):
    assert printable(name) == name


def test_print_json_keeps_the_value_of_what_it_escapes(capsys):
    hostile = {"name": "\x9b\x7f\u202e\ud800\x1b"}
    print_json(hostile)
    printed = capsys.readouterr().out
    assert printed.removesuffix("\n").isprintable()
    assert json.loads(printed) == hostile


def test_note_and_fields_read_no_markup(capsys):
    note("[bold]x[/] \x1b[2J")
    print_fields([("[red]name", "[/nothing]")])
    out, err = capsys.readouterr()
    assert err == "[bold]x[/] \\u001b[2J\n"
    assert out == "[red]name  [/nothing]\n"


def test_print_text_is_unchanged_in_a_pipe(capsys):
    print_text("a\x1b\n\tb")
    assert capsys.readouterr().out == "a\x1b\n\tb\n"


KEY = "key_" + "K" * 22
TITLES = ("Name", "API Key", "Expires")


@pytest.fixture
def terminal(monkeypatch):
    """Return what makes stdout a terminal of so many columns."""

    def of(columns: int) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
        return stream

    return of


@pytest.mark.parametrize("columns", [20, 40, 80, 109, 200])
def test_print_table_breaks_no_cell_in_a_terminal_of_any_width(terminal, columns):
    stream = terminal(columns)
    print_table(TITLES, [("billing service " * 4, KEY, "2026-11-03 14:05 UTC"), ("日本語", KEY, "never")])
    lines = stream.getvalue().splitlines()
    assert sum(KEY in line for line in lines) == 2
    assert sum("2026-11-03 14:05 UTC" in line for line in lines) == 1
    is_table = "Name" in lines[0]
    assert is_table == (stdout().width > 115)  # a dumb terminal has 80 columns for rich before 15
    if not is_table:
        assert f"  api key  {KEY}" in lines


def test_print_table_is_a_line_for_each_row_in_a_pipe(capsys):
    print_table(TITLES, [("x" * 500, KEY, "never")])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_utc_has_a_zone():
    at = datetime(2026, 11, 3, 15, 5, tzinfo=timezone(timedelta(hours=1)))
    assert utc(at) == "2026-11-03 14:05 UTC"
    assert utc(None) == "never"

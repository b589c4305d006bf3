"""Output of commands and their exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import typer

from scope_async.cli.output import (
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    EXIT_USAGE,
    exit_code,
    fail,
    print_json,
    run,
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
    assert json.loads(printed) == {"name": "Zoë", "at": "2026-11-03 00:00:00+00:00"}

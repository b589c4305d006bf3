"""The rules of python-dotenv, against python-dotenv itself where it is installed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope_async.credentials.dotenv import parse_lines
from scope_async.errors import ConfigurationError

CASES = {
    "a=b": {"a": "b"},
    "a=b  # note": {"a": "b"},
    "a=b\t# note": {"a": "b"},
    "a=b#c": {"a": "b#c"},
    "a=b #": {"a": "b"},
    "a= b c  # note": {"a": "b c"},
    "a=": {"a": ""},
    "a=#b": {"a": "#b"},
    "a='b # c'  # note": {"a": "b # c"},
    'a="b # c"# note': {"a": "b # c"},
    "a='b\\'c'": {"a": "b'c"},
    'a="b\\"c"': {"a": 'b"c'},
    "a='b\\nc'": {"a": "b\\nc"},
    'a="b\\nc"': {"a": "b\nc"},
    'a="\\t\\\\t"': {"a": "\t\\t"},
    'a="b\nc"': {"a": "b\nc"},
    'a="b\\$c"': {"a": "b\\$c"},
    "export a=b": {"a": "b"},
    "export\ta = b": {"a": "b"},
    "  a  =  b  ": {"a": "b"},
    "'a b'=c": {"a b": "c"},
    "a=b\r\nc=d\r\n": {"a": "b", "c": "d"},
    "a=b\rc=d": {"a": "b", "c": "d"},
    "# note\n\n  # another\na=b\n#": {"a": "b"},
    "a=1\na=2": {"a": "2"},
    "a=b=c==": {"a": "b=c=="},
    "a=it's": {"a": "it's"},
    'a=b"c"': {"a": 'b"c"'},
    "a=$HOME": {"a": "$HOME"},
    "exporta=b": {"exporta": "b"},
    "": {},
}


@pytest.mark.parametrize("text", CASES)
def test_parse_lines_follows_the_rules(text) -> None:
    assert parse_lines(text) == CASES[text]


@pytest.mark.parametrize("text", CASES)
def test_rules_are_those_of_python_dotenv(text) -> None:
    dotenv = pytest.importorskip("dotenv")
    assert dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False) == CASES[text]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("secret_1", 1),
        ("a=b\n\nsecret_1\n", 3),
        ("a='secret_1", 1),
        ('a="secret_1', 1),
        ("a=b\nc='secret_1' d", 2),
        ("a=b\r\n=secret_1", 2),
        ("a: secret_1", 1),
        ("export secret_1", 1),
    ],
)
def test_parse_lines_names_the_line_that_is_wrong_without_its_text(text, line) -> None:
    error = parse_lines(text)
    assert isinstance(error, ConfigurationError)
    assert f"line {line} " in str(error)
    assert "secret_1" not in str(error)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_parse_lines_reads_any_text(text) -> None:
    assert isinstance(parse_lines(text), dict | ConfigurationError)


@given(st.text(alphabet="ab=#'\"\\ \n\r\t", max_size=30))
def test_parse_lines_agrees_with_python_dotenv_on_any_text_without_errors(text) -> None:
    dotenv = pytest.importorskip("dotenv")
    found = parse_lines(text)
    if isinstance(found, dict):
        assert found == dict(dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False))

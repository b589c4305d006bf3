from __future__ import annotations

import pytest

from scope_async.local.api.prompts import is_matched

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "matched"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ("*", True),
        (" * ", True),
        ('"x", "abc"', True),
        ('"x","abc" , W/"y"', True),
        ('"x,y", "abc"', True),
        (', ,"abc",', True),
        ('"x"', False),
        ('"ABC"', False),
        ("abc", False),
        ('"abc', False),
        ('w/"abc"', False),
        ('"x" "abc"', False),
        ('"abc" nonsense', False),
        ('*, "abc"', False),
        ("", False),
        ('"x, "abc""', False),
        (" " * 8000 + "x", False),
    ],
)
def test_if_none_match_is_compared_weakly(header: str, matched: bool) -> None:
    assert is_matched(header, ETAG) is matched

import pytest

from scope_async.prompts.diff import unified_text_diff


def diff(before: str, after: str) -> str:
    return unified_text_diff(before, after, before_name="p v1", after_name="p v2")


def test_unified_text_diff_is_empty_for_equal_texts() -> None:
    assert diff("a\nb", "a\nb") == diff("", "") == diff("x\n" * 5000, "x\n" * 5000) == ""


def test_unified_text_diff_shows_lines_and_a_missing_end_of_line() -> None:
    assert diff("a\nb\n", "a\nc") == (
        "--- p v1\n+++ p v2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize("ending", ["\r", "\x0b", "\u2028", "\x85"])
def test_unified_text_diff_splits_at_newlines_alone(ending: str) -> None:
    assert f"+a{ending}b\n" in diff("x\n", f"a{ending}b\n")


def test_unified_text_diff_of_long_texts_shows_what_lies_between_their_equal_ends() -> None:
    before = [f"{number}\n" for number in range(6000)]
    after = [*before[:3000], "new\n", *before[3001:]]
    assert diff("".join(before), "".join(after)) == (
        "--- p v1\n+++ p v2\n@@ -3001,1 +3001,1 @@\n-3000\n+new\n"
    )

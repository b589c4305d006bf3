"""The difference between the contents of two prompt versions, as text."""

from __future__ import annotations

from collections.abc import Iterator

# Finding equal lines takes the square of their number at worst.
_MOST_LINES = 4000


def unified_text_diff(before: str, after: str, *, before_name: str, after_name: str) -> str:
    """Return the unified diff of two texts; empty if they are equal.

    Texts of more than 4,000 lines together are not searched for equal lines between the first and
    the last that differ: all of these are shown as replaced.
    """
    old, new = _lines(before), _lines(after)
    if len(old) + len(new) > _MOST_LINES:
        return "".join(_replaced(old, new, before_name, after_name))
    from difflib import unified_diff  # noqa: PLC0415 - costs time to import

    return "".join(_marked(unified_diff(old, new, before_name, after_name)))


def _lines(text: str) -> list[str]:
    # Only `\n` ends a line: `splitlines` would split at characters that the text may hold.
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _marked(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _replaced(old: list[str], new: list[str], before_name: str, after_name: str) -> Iterator[str]:
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    gone, come = old[start : len(old) - end], new[start : len(new) - end]
    if not gone and not come:
        return
    yield f"--- {before_name}\n+++ {after_name}\n"
    yield f"@@ -{start + 1},{len(gone)} +{start + 1},{len(come)} @@\n"
    yield from _marked(f"-{line}" for line in gone)
    yield from _marked(f"+{line}" for line in come)


def _common(one: list[str], other: list[str]) -> int:
    return next(
        (index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )

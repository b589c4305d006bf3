"""Spans as a tree of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

SHOWN = (
    "http.response.status_code",
    "http.request.resend_count",
    "error.type",
    "scope.outcome",
    "gen_ai.prompt.name",
    "gen_ai.prompt.version",
)


def tree(spans: Sequence[ReadableSpan]) -> str:
    """Return the spans by start time, each under its parent; a span without parent starts a tree."""
    known = {span.context.span_id for span in spans if span.context is not None}
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        parent = span.parent.span_id if span.parent is not None else None
        children.setdefault(parent if parent in known else None, []).append(span)
    return "\n".join(line for root in children.get(None, []) for line in _lines(root, children, "", ""))


def _lines(
    span: ReadableSpan, children: Mapping[int | None, list[ReadableSpan]], first: str, rest: str
) -> Iterator[str]:
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    yield f"{first}{span.name}  {span.kind.name}  {milliseconds:.1f} ms"
    below = children.get(span.context.span_id, []) if span.context is not None else []
    bar = rest + ("│  " if below else "   ")
    yield from (f"{bar}{note}" for note in _notes(span))
    for number, child in enumerate(below, start=1):
        last = number == len(below)
        yield from _lines(
            child, children, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")
        )


def _notes(span: ReadableSpan) -> Iterator[str]:
    facts = _words(span.attributes or {}, SHOWN)
    if facts:
        yield facts
    for event in span.events:
        yield f"• {event.name} {_words(event.attributes or {}, ('scope.attempt', 'error.type'))}".rstrip()
    for link in span.links:
        yield f"⇢ linked to trace {link.context.trace_id:032x}"


def _words(attributes: Mapping[str, Any], names: Iterable[str]) -> str:
    return " ".join(f"{name}={attributes[name]}" for name in names if name in attributes)

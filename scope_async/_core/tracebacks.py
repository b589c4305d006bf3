"""Exceptions without what their tracebacks hold."""

from __future__ import annotations


def drop_frames(error: BaseException | None, *, until: BaseException | None = None) -> None:
    """Drop the traceback frames of `error` and of its causes and contexts.

    The frames of an HTTP library have the request's headers and body among their locals, where
    collectors of tracebacks look. `until` is the exception that the caller was handling already; it is
    kept.
    """
    while error is not None and error is not until and error.__traceback__ is not None:
        error.__traceback__ = None
        drop_frames(error.__cause__, until=until)
        error = error.__context__

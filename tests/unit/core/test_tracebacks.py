from __future__ import annotations

from scope_async._core.tracebacks import drop_frames


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause  # noqa: TRY301 - a raised error is what is wanted
    except Exception as caught:  # noqa: BLE001 - whatever was given
        return caught


def test_drop_frames_reaches_causes_and_contexts() -> None:
    context = raised(ValueError("context"))
    error = raised(KeyError("error"), cause=raised(OSError("cause")))
    error.__context__ = context
    drop_frames(error)
    assert (error.__traceback__, context.__traceback__) == (None, None)
    assert error.__cause__ is not None
    assert error.__cause__.__traceback__ is None


def test_drop_frames_keeps_what_the_caller_was_handling() -> None:
    handled = raised(ValueError("the caller's"))
    error = raised(KeyError("error"))
    error.__context__ = handled
    drop_frames(error, until=handled)
    assert error.__traceback__ is None
    assert handled.__traceback__ is not None

"""What a collector of tracebacks would send away."""

from __future__ import annotations

import traceback


def everything_shown(error: BaseException) -> str:
    """Return the text of an error, of its frames' locals, and of all that is behind it.

    The outermost frame is left out: it is the test's own, which knows the secret.
    """
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    found = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    shown = "".join(found.format())
    hidden = [everything_shown(other) for other in (error.__cause__, error.__context__) if other is not None]
    return "\n".join((shown, *hidden))

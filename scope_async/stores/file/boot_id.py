"""What identifies a run of the machine, on whose clock the lives of entries are counted."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scope_async.errors import ConfigurationError


def boot_id() -> str:
    """Return what identifies this run of the machine, and the time namespace that `boot_time` counts in.

    Raises:
        ConfigurationError: the system has no such identity (Linux has).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigurationError(
            f"FileStore needs Linux: the machine's boot id is missing ({error})"
        ) from None
    try:
        namespace = str(Path("/proc/self/ns/time").readlink())
    except OSError:  # before Linux 5.6
        namespace = ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:16]

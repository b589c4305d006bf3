"""`python -m tests.fuzzing`: feed every target for a while; by coverage where atheris is installed.

What is found is printed with the input, kept below `.fuzzing/`, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from random import Random

KEPT = Path(".fuzzing")
_LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for all targets together")
    parser.add_argument("--target", help="this one alone, in this process")
    options = parser.parse_args()
    if options.target is not None:
        return _fuzz(options.target, options.seconds)
    from tests.fuzzing.targets import NAMES

    share = max(1, options.seconds // len(NAMES))
    failed = []
    for name in NAMES:
        print(f"=== {name}: {share} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzzing", "--target", name, "--seconds", str(share)]
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    print(f"broken promises: {', '.join(failed)}" if failed else "every promise was kept")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> int:
    try:
        import atheris
    except ImportError:
        return _fuzz_by_chance(name, seconds)
    with atheris.instrument_imports(include=["scope_async"]):
        from tests.fuzzing.targets import opened
    with opened(name) as target:
        corpus = KEPT / name.replace(" ", "-")
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        limits = [f"-max_total_time={seconds}", f"-artifact_prefix={corpus}/failed-", *_LIMITS]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], target.check)
        atheris.Fuzz()  # ends the process
    return 0


def _fuzz_by_chance(name: str, seconds: int) -> int:
    from tests.fuzzing.mutation import mutations
    from tests.fuzzing.targets import opened

    deadline, tried = time.monotonic() + seconds, 0
    with opened(name) as target:
        for data in mutations(target.seeds, Random()):
            if time.monotonic() > deadline:
                break
            tried += 1
            try:
                target.check(data)
            except Exception:
                print(f"broken by {data!r}", file=sys.stderr)
                raise
    print(f"{tried} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())

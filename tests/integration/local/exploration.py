"""Sends a Local Scope what the description of its API allows and forbids, and judges the answers.

`python -m tests.integration.local.exploration` does so with a `serve` process, ten thousand times.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.cli import ServeProcess

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
# A fault may answer with any status, so it is added when nothing else is asked.
WITHOUT_FAULTS = ("--exclude-operation-id", "addFault")
FAULTS_ONLY = ("--include-operation-id", "addFault", "--include-operation-id", "removeFault")


_CONFIGURATION = """
[headers]
Authorization = "Bearer ${TOKEN}"
"""


def explore(folder: Path, url: str, token: str, *arguments: str, seed: int = 1) -> int:
    """Return how many requests schemathesis has sent; fail if an answer is not as described.

    The token is in no argument, where every user of the machine could read it; a file in `folder`
    says where it is.
    """
    configuration = folder / "schemathesis.toml"
    configuration.write_text(_CONFIGURATION)
    outcome = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
            *("run", f"{url}/openapi.json", "--url", url, "--checks", CHECKS),
            *("--suppress-health-check", "all", "--generation-database", "none", "--no-color"),
            *("--seed", str(seed), "--request-timeout", "30", *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=folder,
        env={**os.environ, "TOKEN": token},
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    sent = re.search(r"([0-9]+) generated, \1 passed", outcome.stdout)
    assert sent is not None, outcome.stdout
    return int(sent[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1_200, help="give up after that many")
    options = parser.parse_args()
    deadline, sent, seed = time.monotonic() + options.seconds, 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prompts = folder / "prompts"
        prompts.mkdir()
        (prompts / "greeting.md").write_text("Hello, {{name}}!")
        while sent < options.requests:
            if time.monotonic() > deadline:
                sys.exit(f"only {sent} requests in {options.seconds:.0f} s")
            seed += 1
            # A server for each round, because what the first left behind decides what the next can find.
            with ServeProcess("--prompts", str(prompts)) as local:
                url, token = local.ready["url"], local.ready["admin_token"]
                sent += explore(folder, url, token, *WITHOUT_FAULTS, "--max-examples", "20", seed=seed)
                sent += explore(folder, url, token, *FAULTS_ONLY, "--max-examples", "20", seed=seed)
            print(f"{sent} requests, each answered as described", flush=True)


if __name__ == "__main__":
    main()

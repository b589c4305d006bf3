"""The command line in a process that is killed, as `kill -9` does, just before or after one of its steps.

`python -m tests.fakes.killed_command rotate:after keys rollover …`
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from scope_async.cli.app import app
from scope_async.cli.rollover.verification import Verification
from scope_async.cli.secret_storage import SecretStorage
from scope_async.keys import ApiKeyAdmin

STEPS = {
    "rotate": (ApiKeyAdmin, "rotate"),
    "write": (SecretStorage, "write"),
    "verify": (Verification, "token_lifetime"),
    "revoke": (ApiKeyAdmin, "revoke"),
}


def kill_at(step: str, moment: str) -> None:
    owner, name = STEPS[step]
    method = getattr(owner, name)

    async def killed(*args: Any, **options: Any) -> Any:
        if moment == "after":
            await method(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


if __name__ == "__main__":
    kill_at(*sys.argv.pop(1).split(":"))
    app()

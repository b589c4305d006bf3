"""A Local Scope in a thread of its own, and what a client or a process needs to use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from scope_async.local import LocalScope
from scope_async.local.scope import ThreadedLocalScope


@attrs.frozen
class ThreadedScope:
    """`local` is the server."""

    local: ThreadedLocalScope

    @property
    def addresses(self) -> dict[str, str]:
        """The options of a client."""
        return {"base_url": self.local.url, "auth_api_url": self.local.url}

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a client and of an administrator."""
        credentials = self.local.credentials
        return {
            "SCOPE_API_URL": self.local.url,
            "SCOPE_AUTH_API_URL": self.local.url,
            "SCOPE_ORG_ID": credentials.org_id,
            "SCOPE_API_KEY": credentials.api_key,
            "SCOPE_API_SECRET": credentials.api_secret,
            "SCOPE_ADMIN_TOKEN": self.local.admin_token,
        }


@contextmanager
def threaded_scope(**options: Any) -> Iterator[ThreadedScope]:
    """Serve the prompt `greeting` for the block; `options` are those of `LocalScope`."""
    with LocalScope(prompts={"greeting": "Hello, {{name}}!"}, **options) as local:
        yield ThreadedScope(local)

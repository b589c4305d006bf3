"""Other clients, if they are installed: `pip install 'scope-async[bench]'` has Langfuse.

The official SDK is not on the package index (its name there is something else).
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from benchmarks.harness.stub_server import CREDENTIALS
from scope_async import ApiKeyCredentials


def official_sdk(url: str, ours: ApiKeyCredentials = CREDENTIALS, **options: Any) -> Any:
    """Return the official SDK's client for the server at `url`."""
    sdk = import_module("scope_client")
    os.environ.update(SCOPE_API_URL=url, SCOPE_AUTH_API_URL=url)
    credentials = sdk.ApiKeyCredentials(org_id=ours.org_id, api_key=ours.api_key, api_secret=ours.api_secret)
    # Given as well, since it reads the environment once for all clients.
    return sdk.ScopeClient(credentials=credentials, base_url=url, auth_api_url=url, **options)


def langfuse(url: str) -> Any:
    """Return Langfuse's client for the server at `url`."""
    sdk = import_module("langfuse")
    return sdk.Langfuse(
        public_key=CREDENTIALS.api_key, secret_key=CREDENTIALS.api_secret, host=url, tracing_enabled=False
    )

"""What is fuzzed, and the inputs to begin with: each is read as it should be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs

from tests.fuzzing import readers
from tests.fuzzing.local_requests import ROUTES, LocalRequests
from tests.fuzzing.readers import SECRET, TOKEN

Check = Callable[[bytes], None]


@attrs.frozen
class Target:
    """A reader, whose violation of a promise is an exception, and inputs to change."""

    check: Check
    seeds: tuple[bytes, ...]


_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjIwLCJpYXQiOjEwfQ.c2lnbmF0dXJl"
_VERSION = {
    "version_id": "version_1",
    "version": 1,
    "prompt_id": "prompt_1",
    "name": "greeting",
    "content": "Hello, {{name}}!",
    "variables": ["name"],
    "status": "published",
    "is_production": True,
    "prompt_type": "text",
    "metadata": {"model": "small", "limits": [1, 2.5e3, None]},
    "tags": ["a"],
    "created_at": "2026-01-02T03:04:05Z",
    "promoted_at": None,
}
_CHAT = {
    **_VERSION,
    "prompt_type": "chat",
    "variables": None,
    "content": [
        {"role": "system", "content": "Be {{mood}}."},
        {"role": "user", "content": [{"type": "text", "text": "{{question}}"}]},
        {"type": "placeholder", "name": "history"},
    ],
}
_KEY = {
    "name": "billing",
    "api_key": "key_1",
    "org_id": "org_1",
    "api_secret": SECRET,
    "environment": "production",
    "status": "active",
    "created_at": "2026-01-02T03:04:05+01:00",
    "expires_at": None,
    "last_used_by": {"user_agent": "x/1", "address": "127.0.0.1"},
}
_EVENT = {"event": "used", "at": "2026-01-02T03:04:05Z", "actor": "key_1", "count": 2}
_SNAPSHOT_ENTRY = {
    **readers.BINDING._asdict(),
    "name": "greeting",
    "by": "label",
    "wanted": "production",
    "stored_at": 1.5,
    "document": _VERSION,
    "etag": '"1"',
    "api_key": "key_1",
}
_SNAPSHOT = {"format": "scope-async prompt snapshot", "format_version": 2, "prompts": [_SNAPSHOT_ENTRY]}
_STATE = {
    "format": "scope-async.local/2",
    "org_id": "org_1",
    "prompts": [],
    "api_keys": [],
    "events": [
        {**_EVENT, "api_key": "key_1", "at": 1.5, "address": None, "user_agent": None, "reason": None}
    ],
}


def _reply(status: int, document: object, **headers: str) -> bytes:
    lines = [str(status), *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\n".join(lines).encode() + b"\n\n" + json.dumps(document).encode()


_ERRORS = (
    _reply(400, {"code": "bad", "message": f"not {SECRET}"}, X_Request_ID="1"),
    _reply(429, {"error": {"code": "slow", "message": TOKEN}}, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
    b"503\nContent-Type: text/html\nRetry-After: 3\n\n<html>" + SECRET.encode(),
)

READERS: Mapping[str, Target] = {
    "exchange": Target(
        readers.exchange,
        (
            _reply(200, {"access_token": _JWT, "token_type": "Bearer", "expires_in": 600}, Age="3"),
            _reply(200, {"access_token": TOKEN, "expires_in": "60"}),
            *_ERRORS,
        ),
    ),
    "prompt version": Target(readers.prompt_version, (_reply(200, _VERSION), _reply(200, _CHAT), *_ERRORS)),
    "api keys": Target(
        readers.api_keys,
        (
            _reply(201, _KEY),
            _reply(200, {"data": [_KEY], "next_cursor": "more"}),
            _reply(200, _EVENT),
            *_ERRORS,
        ),
    ),
    "vault reply": Target(
        readers.vault_reply,
        (
            _reply(200, {"data": {"data": {"api_secret": SECRET}}}),
            _reply(403, {"errors": [SECRET]}),
            *_ERRORS,
        ),
    ),
    "template": Target(
        readers.template,
        (
            b"Hello, {{name}}! {{user-name}} {{{name}}} {{ name }}\0name,user-name,a{b",
            "{{名前}}\0名前".encode(),
        ),
    ),
    "credentials file": Target(
        readers.credentials_file,
        (
            f"# all\nexport SCOPE_ORG_ID='o'\nSCOPE_API_KEY=k # x\nSCOPE_API_SECRET=\"{SECRET}\"".encode(),
            json.dumps({"org_id": "org_1", "api_key": "key_1", "api_secret": SECRET}).encode(),
        ),
    ),
    "snapshot": Target(
        readers.snapshot_file,
        (json.dumps(_SNAPSHOT).encode(), json.dumps(_SNAPSHOT).replace("[{", "[\n{").encode()),
    ),
    "store entry": Target(readers.store_entry, (readers.CIPHER.encrypt("token", "other", b"{}"), b"")),
    "local state": Target(readers.local_state, (json.dumps(_STATE).encode(),)),
    "prompt file": Target(
        readers.prompt_file,
        (b"---\ntags: [a, b]\nmetadata: {since: 2026-01-02, x: &y [1], z: *y}\n---\n\nHello\n",),
    ),
    "fault": Target(
        readers.fault,
        (
            b"prompt:status=503,retry_after=2,times=5",
            b"any:latency=0.1-0.3,seed=1,probability=0.5",
            json.dumps({"operation": "exchange", "kind": "expires_in", "value": None, "lasting": 3}).encode(),
        ),
    ),
}

_BODIES = (
    {"account_id": "org_1", "client_id": "key_1", "client_secret": SECRET},
    {"name": "billing", "environment": "staging", "expires_in": 3600},
    {"name": "other", "content": "Hi {{name}}", "tags": ["a"], "metadata": {"a": 1}, "publish": False},
    {"advance": 5},
    _STATE,
)
REQUESTS = "local requests"
_REQUEST_SEEDS = tuple(
    bytes([number]) + b"Content-Type: application/json\nX-Request-ID: 1\nIdempotency-Key: x\n\n" + body
    for number in range(len(ROUTES))
    for body in (json.dumps(_BODIES[number % len(_BODIES)]).encode(), b"")
)

NAMES = (*READERS, REQUESTS)


@contextmanager
def opened(name: str) -> Iterator[Target]:
    """Return the target of that name, with the server that it may need."""
    if name != REQUESTS:
        yield READERS[name]
        return
    with LocalRequests() as requests:
        yield Target(requests, _REQUEST_SEEDS)

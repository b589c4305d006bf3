"""Decoding the service's replies, next to `json.loads` of the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks.harness.case import Case, Timer, simple_case, timed_calls
from benchmarks.harness.stub_server import TOKEN, VERSION
from scope_async.auth.exchange import read_exchange_response
from scope_async.http.decoding import read_error
from scope_async.http.messages import Reply
from scope_async.prompts.decoding import read_prompt_version

LARGE = {**VERSION, "content": "Hello, {{name}}! " * 6_000}
ERROR = {"error": {"code": "not_found", "message": "there is no such prompt"}}


def _reply(document: object, status: int = 200) -> Reply:
    headers = {"Content-Type": "application/json", "X-Request-ID": "6f1c8c1e-2f0e-4a57-9d35-5b1f0f0f7c11"}
    return Reply(status=status, headers=headers, body=json.dumps(document).encode())


def _version(reply: Reply) -> object:
    return read_prompt_version(reply, name="greeting", unknown_variables="error")


def _decoding(read: Callable[[Reply], object], reply: Reply) -> Case:
    def timer() -> Timer:
        return timed_calls(lambda: read(reply))

    return simple_case(timer)


def _json(reply: Reply) -> object:
    return json.loads(reply.body)


CASES = {
    "decode a prompt version": _decoding(_version, _reply(VERSION)),
    "json.loads of a prompt version": _decoding(_json, _reply(VERSION)),
    "decode a prompt version of 100 kB": _decoding(_version, _reply(LARGE)),
    "json.loads of 100 kB": _decoding(_json, _reply(LARGE)),
    "decode a token": _decoding(read_exchange_response, _reply(TOKEN)),
    "json.loads of a token": _decoding(_json, _reply(TOKEN)),
    "decode an error": _decoding(read_error, _reply(ERROR, 404)),
    "json.loads of an error": _decoding(_json, _reply(ERROR, 404)),
}

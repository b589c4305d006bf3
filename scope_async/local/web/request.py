"""The context of a request, routes and JSON replies."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, cast

from aiohttp import web
from attrs import frozen

from scope_async.local.faults.spec import Fault

Operation = Literal["exchange", "prompt", "keys", "health", "control", "docs", "page", "unknown"]

_REQUEST_ID_LIMIT = 128
_JSON = "application/json"
_BODY_TIMEOUT = 30.0
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class ApiProblem(Exception):  # noqa: N818 - an answer of the service
    """A refusal, sent in the form of `error_reply` with this status."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class RequestContext:
    """A request with its operation and id, and what the journal records of it."""

    __slots__ = (
        "api_key",
        "code",
        "fault",
        "journaled",
        "operation",
        "request",
        "request_id",
        "token_faults",
    )

    def __init__(self, request: web.BaseRequest, operation: Operation) -> None:
        # What is not HTTP arrives as the base class; no handler is asked for it.
        self.request = cast("web.Request", request)
        self.operation = operation
        self.api_key: str | None = None
        self.code: str | None = None
        self.fault: str | None = None
        self.token_faults: tuple[Fault, ...] = ()
        self.journaled = False
        sent = request.headers.get("X-Request-ID", "")
        usable = 0 < len(sent) <= _REQUEST_ID_LIMIT and sent.isascii() and sent.isprintable()
        self.request_id = sent if usable else str(uuid.uuid4())

    async def fields(
        self, *, required: Sequence[str] = (), optional: Sequence[str] | None = (), limit: int | None = None
    ) -> dict[str, Any]:
        """Return the request's JSON object; an empty body is an empty object.

        `optional=None` accepts any field; `limit` is in bytes and replaces the application's.

        Raises:
            ApiProblem: 400 if the body is not JSON, or fields are missing or unknown; 408 if its end
                does not arrive.
        """
        request = self.request if limit is None else self.request.clone(client_max_size=limit)
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                body = await request.read()
        except TimeoutError:
            raise ApiProblem(408, "request_timeout", "the end of the body did not arrive") from None
        document = _parsed(body)
        missing = [name for name in required if name not in document]
        known = document if optional is None else (*required, *optional)
        unknown = [name for name in document if name not in known]
        if missing or unknown:
            problems = [
                f"{', '.join(names)} {what}"
                for names, what in ((missing, "missing"), (unknown, "unknown"))
                if names
            ]
            raise ApiProblem(400, "validation_error", f"fields: {'; '.join(problems)}")
        return document


def _parsed(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body (RFC 8259); an empty body is an empty object."""
    try:
        # Bytes would be decoded by `json` itself, which accepts half of a surrogate pair.
        document: Any = json.loads(body.decode("utf-8-sig") or "{}", parse_constant=_refuse_constant)
        has_half = _ESCAPE.search(body) and _SURROGATE.search(json.dumps(document, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise ApiProblem(400, "invalid_json", f"the body is not JSON: {error}") from error
    if has_half:
        raise ApiProblem(400, "invalid_json", "the body has half of a surrogate pair, which is no character")
    if not isinstance(document, dict):
        raise ApiProblem(400, "validation_error", "the body has to be a JSON object")
    return cast("dict[str, Any]", document)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


Handler = Callable[[RequestContext], Awaitable[web.StreamResponse]]


@frozen
class Route:
    """A method and path, the operation it counts as, and its handler."""

    method: str
    path: str
    operation: Operation
    handler: Handler


def reply(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return `document` as a JSON reply."""
    # A header or an address may hold bytes that are no UTF-8, which Python keeps as half of a
    # surrogate pair: the escape that `backslashreplace` writes is JSON's own.
    body = json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace")
    return web.Response(body=body, status=status, content_type=_JSON, headers=headers)


def error_reply(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an error in both spellings of contract 1.4."""
    error = {"code": code, "message": message}
    return reply({**error, "error": error}, status=status, headers=headers)

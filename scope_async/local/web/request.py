"""The context of a request, routes and JSON replies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, cast

from aiohttp import web
from attrs import frozen

from scope_async.local.faults.spec import Fault

Operation = Literal["exchange", "prompt", "keys", "health", "control", "page", "unknown"]

_REQUEST_ID_LIMIT = 128
_JSON = "application/json"


class ApiProblem(Exception):  # noqa: N818 - an answer of the service
    """A refusal, sent as `{"code": ..., "message": ...}` with this status."""

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

    def __init__(self, request: web.Request, operation: Operation) -> None:
        self.request = request
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
            ApiProblem: 400 if the body is not JSON, 422 if fields are missing or unknown.
        """
        request = self.request if limit is None else self.request.clone(client_max_size=limit)
        try:
            document: Any = json.loads(await request.read() or b"{}")
        except (ValueError, RecursionError) as error:
            raise ApiProblem(400, "invalid_json", f"the body is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise ApiProblem(422, "validation_error", "the body has to be a JSON object")
        body = cast("dict[str, Any]", document)
        missing = [name for name in required if name not in body]
        known = body if optional is None else (*required, *optional)
        unknown = [name for name in body if name not in known]
        if missing or unknown:
            problems = [
                f"{', '.join(names)} {what}"
                for names, what in ((missing, "missing"), (unknown, "unknown"))
                if names
            ]
            raise ApiProblem(422, "validation_error", f"fields: {'; '.join(problems)}")
        return body


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
    body = json.dumps(document, ensure_ascii=False).encode()
    return web.Response(body=body, status=status, content_type=_JSON, headers=headers)


def error_reply(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an error in the form of contract 1.4."""
    return reply({"code": code, "message": message}, status=status, headers=headers)

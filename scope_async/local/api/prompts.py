"""Prompt versions over HTTP (contract 1.3)."""

from __future__ import annotations

import re

from aiohttp import web

from scope_async.local.store.prompts import EncodedVersion
from scope_async.local.store.store import Store
from scope_async.local.web.authentication import Authenticator
from scope_async.local.web.request import RequestContext, Route

# A percent-encoded slash or brace is part of the name, so the segment takes all but a plain slash.
_PROMPT = "/api/v1/prompts/{name:[^/]+}"


class PromptsApi:
    """Answers with prompt versions; bodies of labels are encoded once per change."""

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._prompts = store.prompts
        self._authenticator = authenticator

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", f"{_PROMPT}/production", "prompt", self._production),
            Route("GET", f"{_PROMPT}/latest", "prompt", self._latest),
            Route("GET", f"{_PROMPT}/versions/{{version_id:[^/]+}}", "prompt", self._version),
        )

    async def _production(self, context: RequestContext) -> web.Response:
        self._authenticator.authenticate(context)
        name = context.request.match_info["name"]
        return _reply(context, self._prompts.encoded_by_label(name, "production"))

    async def _latest(self, context: RequestContext) -> web.Response:
        self._authenticator.authenticate(context)
        return _reply(context, self._prompts.encoded_by_label(context.request.match_info["name"], "latest"))

    async def _version(self, context: RequestContext) -> web.Response:
        self._authenticator.authenticate(context)
        match = context.request.match_info
        return _reply(context, self._prompts.encoded_by_version(match["name"], match["version_id"]))


def _reply(context: RequestContext, version: EncodedVersion) -> web.Response:
    headers = {"ETag": version.etag}
    sent = context.request.headers.getall("If-None-Match", ())
    if sent and is_matched(", ".join(sent), version.etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=version.body, content_type="application/json", headers=headers)


_ENTITY_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"'
_ENTITY_TAGS = re.compile(rf"(?:[ \t]*(?:{_ENTITY_TAG}[ \t]*)?(?:,|\Z))+")


def is_matched(if_none_match: str, etag: str) -> bool:
    """Return True if the copy that `If-None-Match` names is current (RFC 9110, 13.1.2).

    The comparison is weak. A header that is no list of entity tags is ignored.
    """
    if if_none_match.strip(" \t") == "*":
        return True
    if not _ENTITY_TAGS.fullmatch(if_none_match):
        return False
    return etag in (found.removeprefix("W/") for found in re.findall(_ENTITY_TAG, if_none_match))

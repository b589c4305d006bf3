"""Prompts and the lifecycle of their versions over HTTP, with the roles of the permissions matrix."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from scope_async.errors import ValidationError
from scope_async.local.store.prompt_models import Draft, StoredPrompt, check_notes
from scope_async.local.store.store import Store
from scope_async.local.timestamps import iso
from scope_async.local.web.authentication import Authenticator, Role
from scope_async.local.web.request import RequestContext, Route, reply

_PROMPTS = "/local/prompts"
_PROMPT = f"{_PROMPTS}/{{name:[^/]+}}"
_VERSION = f"{_PROMPT}/versions/{{version_id:[^/]+}}"


class PromptManagementApi:
    """`/local/prompts`: a viewer reads, an editor adds, edits, promotes and archives.

    Scope documents these as pages only, so the calls are Local Scope's own.
    """

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._prompts = store.prompts
        self._authenticator = authenticator

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", _PROMPTS, "control", self._list),
            Route("POST", _PROMPTS, "control", self._add),
            Route("GET", f"{_PROMPT}/versions", "control", self._versions),
            Route("GET", f"{_PROMPT}/history", "control", self._history),
            Route("PATCH", _VERSION, "control", self._edit),
            Route("POST", f"{_VERSION}/promote", "control", self._promote),
            Route("POST", f"{_VERSION}/archive", "control", self._archive),
            Route("POST", f"{_VERSION}/unarchive", "control", self._unarchive),
        )

    async def _list(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.VIEWER)
        return reply({"data": [_summary(prompt) for prompt in self._prompts.all()]})

    async def _versions(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.VIEWER)
        prompt = self._prompts.get_prompt(context.request.match_info["name"])
        return reply({"data": [version.document() for version in reversed(prompt.versions)]})

    async def _history(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.VIEWER)
        prompt = self._prompts.get_prompt(context.request.match_info["name"])
        return reply({"data": [promotion.document() for promotion in reversed(prompt.promotions)]})

    async def _add(self, context: RequestContext) -> web.Response:
        role = self._authenticator.require(context, Role.EDITOR)
        options = ("metadata", "prompt_type", "tags", "publish")
        fields = await context.fields(required=("name", "content"), optional=options)
        publish = _flag(fields, "publish")
        draft = Draft.checked(**fields, status="published" if publish else "draft")
        version = await self._prompts.add(draft, by=role.name.lower())
        return reply(version.document(), status=201)

    async def _edit(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.EDITOR)
        fields = await context.fields(required=("content",), optional=("metadata", "tags"))
        name, version_id = _address(context)
        return reply((await self._prompts.edit(name, version_id, **fields)).document())

    async def _promote(self, context: RequestContext) -> web.Response:
        role = self._authenticator.require(context, Role.EDITOR)
        fields = await context.fields(optional=("notes", "archive_previous_production"))
        version = await self._prompts.promote(
            *_address(context),
            by=role.name.lower(),
            notes=check_notes(fields.get("notes")),
            archive_previous_production=_flag(fields, "archive_previous_production"),
        )
        return reply(version.document())

    async def _archive(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.EDITOR)
        await context.fields()
        return reply((await self._prompts.archive(*_address(context))).document())

    async def _unarchive(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.EDITOR)
        await context.fields()
        return reply((await self._prompts.unarchive(*_address(context))).document())


def _address(context: RequestContext) -> tuple[str, str]:
    match = context.request.match_info
    return match["name"], match["version_id"]


def _flag(fields: dict[str, Any], name: str) -> bool:
    """Take a flag out of `fields`; it is True unless it is given."""
    value = fields.pop(name, True)
    if not isinstance(value, bool):
        raise ValidationError(f"{name}: true or false, got {value!r}")
    return value


def _summary(prompt: StoredPrompt) -> dict[str, Any]:
    production, latest = prompt.production, prompt.latest
    return {
        "prompt_id": prompt.id,
        "name": prompt.name,
        "created_at": iso(prompt.created_at),
        "versions": len(prompt.versions),
        "production_version": None if production is None else production.version_number,
        "latest_version": None if latest is None else latest.version_number,
    }

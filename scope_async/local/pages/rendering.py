"""Renders templates and serves static files, loaded when the first page is requested."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from aiohttp import web
from attrs import frozen
from jinja2 import DictLoader, Environment, StrictUndefined, Template

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
STATIC = "/settings/static"


@frozen
class StaticFile:
    """A file that is served as it is."""

    content: bytes
    content_type: str

    @property
    def version(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:12]


@frozen
class _Assets:
    templates: Mapping[str, Template]
    static: Mapping[str, StaticFile]


class Renderer:
    """Renders pages; templates are read once, in a thread, and only if a page is requested."""

    def __init__(self) -> None:
        self._assets: _Assets | None = None
        self._loading = asyncio.Lock()

    async def page(self, name: str, *, status: int = 200, **context: Any) -> web.Response:
        """Return the page that template `name` renders from `context`.

        Raises:
            jinja2.UndefinedError: the template uses a name that `context` lacks.
        """
        template = (await self._load()).templates[name]
        return web.Response(
            text=template.render(context), status=status, content_type="text/html", charset="utf-8"
        )

    async def static(self, name: str) -> StaticFile | None:
        return (await self._load()).static.get(name)

    async def _load(self) -> _Assets:
        if self._assets is None:
            async with self._loading:
                if self._assets is None:
                    self._assets = await asyncio.to_thread(_read)
        return self._assets


def _read() -> _Assets:
    package = files("scope_async.local.pages")
    sources = {file.name: file.read_text("utf-8") for file in package.joinpath("templates").iterdir()}
    static = {
        file.name: StaticFile(file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
        for file in package.joinpath("static").iterdir()
    }
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # The address has a digest of the content, so a browser never uses the cached file of another release.
    environment.globals["static"] = {
        name: f"{STATIC[1:]}/{name}?v={file.version}" for name, file in static.items()
    }
    return _Assets({name: environment.get_template(name) for name in sources}, static)

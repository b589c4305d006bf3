"""The description of the HTTP API: OpenAPI 3.1 at `/openapi.json`, and a page of it at `/docs`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from scope_async._version import __version__
from scope_async.local.web.request import RequestContext, Route

_HERE = "scope_async.local.openapi"
_METHODS = ("get", "post", "put", "patch", "delete")


class DescriptionRoutes:
    """Serves the description; it is read from the package once, in a thread."""

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/openapi.json", "docs", self._document),
            Route("GET", "/docs", "docs", self._page),
        )

    async def _document(self, _: RequestContext) -> web.Response:
        body = await asyncio.to_thread(_encoded)
        return web.Response(body=body, content_type="application/json")

    async def _page(self, _: RequestContext) -> web.Response:
        page, style = await asyncio.to_thread(_rendered)
        return web.Response(
            text=page,
            content_type="text/html",
            headers={
                "Content-Security-Policy": (
                    f"default-src 'none'; style-src '{style}'; base-uri 'none'; "
                    "form-action 'none'; frame-ancestors 'none'"
                ),
                "X-Content-Type-Options": "nosniff",
            },
        )


@cache
def document() -> dict[str, Any]:
    """Return the description as an OpenAPI 3.1 document. It reads a file."""
    source = files(_HERE).joinpath("openapi.yaml").read_text(encoding="utf-8")
    described: dict[str, Any] = yaml.safe_load(source)
    described["info"]["version"] = __version__
    return described


@cache
def _encoded() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


@cache
def _rendered() -> tuple[str, str]:
    """Return the page, and the source expression that its style sheet has in a policy (CSP 3, 2.3.1)."""
    style = files(_HERE).joinpath("docs.css").read_text(encoding="utf-8")
    templates = Environment(
        loader=PackageLoader(_HERE, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = templates.get_template("docs.html").render(document=document(), style=style, methods=_METHODS)
    sha256 = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return page, f"sha256-{sha256}"

"""A client of the pages of Local Scope that acts as a browser without script."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from attrs import define, field, frozen
from multidict import CIMultiDictProxy
from yarl import URL

from scope_async.local import LocalScope
from scope_async.local.store.key_models import KeyRecord

KEYS = "/settings/api-keys"
SECRET = re.compile(r"secret_[0-9A-Za-z]{49}")


@define
class Form:
    """A form in a page, with its current values."""

    method: str
    action: str
    fields: dict[str, str] = field(factory=dict)


@frozen
class SeenPage:
    status: int
    headers: CIMultiDictProxy[str]
    path: str
    source: str

    @property
    def forms(self) -> list[Form]:
        found = _Forms.of(self.source)
        for form in found:
            form.action = urljoin(self.path, form.action)
        return found

    @property
    def location(self) -> str:
        """Where a redirect leads; the header is relative."""
        return urljoin(self.path, self.headers["Location"])

    @property
    def links(self) -> list[str]:
        """The addresses of the page's links and files."""
        return [
            urljoin(self.path, unescape(link)) for link in re.findall(r'(?:href|src)="([^"]+)"', self.source)
        ]

    def form(self, action: str) -> Form:
        """Return the form that posts to `action`, whatever its query."""
        posted = [form for form in self.forms if form.method == "post"]
        return next(form for form in posted if urlsplit(form.action).path == action)


class HtmlClient:
    """A browser that keeps cookies and follows redirects with GET."""

    def __init__(self, local: LocalScope, session: aiohttp.ClientSession) -> None:
        self.local = local
        self.base: str | None = None
        self.headers: dict[str, str] = {}
        self.cookies: dict[str, str] = {}
        self._session = session

    async def send(self, method: str, path: str, *, follow: bool = False, **options: Any) -> SeenPage:
        headers = {**self.headers, **options.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = URL((self.base or self.local.url) + path, encoded=True)
        async with self._session.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as response:
            for name, cookie in response.cookies.items():
                if cookie.value:
                    self.cookies[name] = cookie.value
                else:
                    self.cookies.pop(name, None)
            page = SeenPage(response.status, response.headers, path, await response.text())
        if follow and page.status == 303:
            return await self.get(page.location.partition("#")[0])
        return page

    async def get(self, path: str, **options: Any) -> SeenPage:
        return await self.send("GET", path, follow=True, **options)

    async def submit(self, form: Form, **filled: str) -> SeenPage:
        """Send a form with these fields filled in."""
        return await self.send(form.method.upper(), form.action, follow=True, data={**form.fields, **filled})

    async def sign_in(self) -> Self:
        page = await self.get(f"{KEYS}?token={self.local.admin_token}")
        assert (page.status, page.path) == (200, KEYS)
        return self

    async def create(self, name: str = "billing-service-prod", **filled: str) -> SeenPage:
        return await self.submit(await self.creation_form(), **{"name": name, **filled})

    async def creation_form(self) -> Form:
        """Return the form for a new key, with an environment chosen."""
        form = (await self.get(f"{KEYS}/new")).form(KEYS)
        form.fields["environment"] = "production"
        return form

    async def dialog(self, api_key: str, action: str) -> Form:
        """Return the form of the dialog `rotate` or `revoke` of a key."""
        path = f"{KEYS}/{api_key}/{action}"
        return (await self.get(path)).form(path)


class _Forms(HTMLParser):
    @classmethod
    def of(cls, source: str) -> list[Form]:
        parser = cls()
        parser.feed(source)
        return parser.found

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self.found.append(Form(given.get("method") or "get", given.get("action") or ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._select not in self.found[-1].fields):
            self.found[-1].fields[self._select] = value
        elif (
            tag == "input" and name and (given.get("type") not in ("radio", "checkbox") or "checked" in given)
        ):
            self.found[-1].fields[name] = value


def newest_key(local: LocalScope) -> KeyRecord:
    return local._store.keys.all()[0]

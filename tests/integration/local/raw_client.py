"""A plain HTTP client of Local Scope: the SDK could hide a mistake that both share."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from attrs import frozen
from multidict import CIMultiDictProxy
from yarl import URL

from scope_async.credentials import ApiKeyCredentials
from scope_async.local import LocalScope

LOGIN = ("/v1/auth/applications/login", "client_id", "client_secret")
SDK_TOKEN = ("/v1/auth/sdk-token", "key_id", "key_secret")


@frozen
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert set(self.json) == {"code", "message", "error"}
        assert self.json["error"] == {"code": self.json["code"], "message": self.json["message"]}
        assert self.json["message"]
        return str(self.json["code"])


class RawClient:
    """Sends requests to one Local Scope."""

    def __init__(self, local: LocalScope, session: aiohttp.ClientSession) -> None:
        self.local = local
        self.session = session

    async def send(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = URL(self.local.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def exchange(
        self,
        credentials: ApiKeyCredentials | None = None,
        dialect: tuple[str, str, str] = LOGIN,
        **changed: Any,
    ) -> Answer:
        who = credentials or self.local.credentials
        path, key, secret = dialect
        body = {"account_id": who.org_id, key: who.api_key, secret: who.api_secret, **changed}
        return await self.send("POST", path, json=body)

    async def token(self, credentials: ApiKeyCredentials | None = None) -> str:
        answer = await self.exchange(credentials)
        assert answer.status == 200, answer.body
        return str(answer.json["access_token"])

    async def prompt(self, token: str, path: str = "greeting/production") -> Answer:
        return await self.send("GET", f"/api/v1/prompts/{path}", token=token)

    async def admin(self, method: str, path: str, **options: Any) -> Answer:
        return await self.send(method, path, token=self.local.admin_token, **options)

    async def new_key(self, name: str = "billing-service-prod", **fields: Any) -> dict[str, Any]:
        answer = await self.admin("POST", "/api/v1/api-keys", json={"name": name, **fields})
        assert answer.status == 201, answer.body
        return dict(answer.json)


def credentials_of(key: dict[str, Any]) -> ApiKeyCredentials:
    return ApiKeyCredentials(key["org_id"], key["api_key"], key["api_secret"])

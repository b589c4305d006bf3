"""What the official SDK's users type, for the examples of the page on moving from it.

The names and the signatures are those of the official SDK, which is not on the package index;
`test_migration_page.py` compares them where it is installed. What they do is no more than the examples need.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self
from urllib.request import Request, urlopen


class ClientCredentials:
    def __init__(
        self,
        org_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
    ) -> None:
        self.org_id = org_id
        self.client_id = client_id or api_key
        self.client_secret = client_secret or api_secret

    @classmethod
    def from_env(cls) -> ClientCredentials:
        known = os.environ
        return cls(known["SCOPE_ORG_ID"], known["SCOPE_CLIENT_ID"], known["SCOPE_CLIENT_SECRET"])


ApiKeyCredentials = ClientCredentials


@dataclass(frozen=True)
class Configuration:
    credentials: ClientCredentials | None = field(default=None)
    base_url: str | None = field(default=None)
    auth_api_url: str | None = field(default=None)
    api_version: str = field(default="v1")
    timeout: int = field(default=30)
    open_timeout: int = field(default=10)
    cache_enabled: bool = field(default=True)
    cache_ttl: int = field(default=300)
    max_retries: int = field(default=3)
    retry_base_delay: float = field(default=0.5)
    retry_max_delay: float = field(default=30.0)
    telemetry_enabled: bool = field(default=True)
    environment: str = field(default="production")
    token_refresh_buffer: int = field(default=60)


_configuration = Configuration()


def configure(credentials: ClientCredentials | None = None, **options: Any) -> Configuration:
    global _configuration  # noqa: PLW0603 - the official SDK's way
    _configuration = replace(_configuration, credentials=credentials or _configuration.credentials, **options)
    return _configuration


def configuration() -> Configuration:
    return _configuration


def reset_configuration() -> None:
    global _configuration  # noqa: PLW0603 - as above
    _configuration = Configuration()


@dataclass
class RequestInfo:
    request_id: str
    method: str
    url: str
    headers: dict[str, str]
    body: Any | None = None


@dataclass
class ResponseInfo:
    request_id: str
    status_code: int
    headers: dict[str, str]
    body: Any | None = None
    elapsed_ms: float = 0.0


class Telemetry:
    _callbacks: ClassVar[dict[str, list[Callable[[Any], None]]]] = {
        "request": [],
        "response": [],
        "error": [],
    }

    @classmethod
    def on_request(cls, callback: Callable[[RequestInfo], None]) -> None:
        cls._callbacks["request"].append(callback)

    @classmethod
    def on_response(cls, callback: Callable[[ResponseInfo], None]) -> None:
        cls._callbacks["response"].append(callback)

    @classmethod
    def on_error(cls, callback: Callable[[Any], None]) -> None:
        cls._callbacks["error"].append(callback)

    @classmethod
    def clear_callbacks(cls) -> None:
        for callbacks in cls._callbacks.values():
            callbacks.clear()

    @classmethod
    def emit_request(cls, info: RequestInfo) -> None:
        for callback in cls._callbacks["request"]:
            callback(info)

    @classmethod
    def emit_response(cls, info: ResponseInfo) -> None:
        for callback in cls._callbacks["response"]:
            callback(info)


class PromptVersion:
    def __init__(self, data: dict[str, Any], client: ScopeClient | None = None) -> None:
        self.id: str = data["id"]
        self.content: str = data["content"]
        self.variables: list[str] = data["variables"]
        self.metadata: dict[str, Any] = data.get("metadata") or {}

    def get_metadata(self, key: str, default: Any = None) -> Any:
        return self.metadata.get(key, default)

    def render(self, **variables: str) -> str:
        text = self.content
        for name, value in variables.items():
            text = text.replace(f"{{{{{name}}}}}", str(value))
        return text


class ScopeClient:
    def __init__(
        self,
        credentials: ClientCredentials | None = None,
        config: Configuration | None = None,
        base_url: str | None = None,
        **options: Any,
    ) -> None:
        config = config or configuration()
        self.config = replace(
            config,
            credentials=credentials or config.credentials,
            base_url=base_url or config.base_url or os.environ["SCOPE_API_URL"],
            auth_api_url=options.pop("auth_api_url", None) or os.environ["SCOPE_AUTH_API_URL"],
            **options,
        )
        self._cache: dict[tuple[str, str], PromptVersion] = {}

    def get_prompt_version(
        self, name: str, *, label: str | None = None, version: str | None = None, **options: Any
    ) -> PromptVersion:
        which = f"versions/{version}" if version else label or "production"
        if not options.get("cache", self.config.cache_enabled):
            return self._fetch(name, which)
        if (name, which) not in self._cache:
            self._cache[name, which] = self._fetch(name, which)
        return self._cache[name, which]

    def render_prompt(
        self, name: str, variables: dict[str, str], label: str = "production", **options: Any
    ) -> str:
        return self.get_prompt_version(name, label=label, **options).render(**variables)

    def clear_cache(self) -> None:
        self._cache.clear()

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def _fetch(self, name: str, which: str) -> PromptVersion:
        url = f"{self.config.base_url}/api/{self.config.api_version}/prompts/{name}/{which}"
        request_id, began = str(uuid.uuid4()), time.perf_counter()
        Telemetry.emit_request(RequestInfo(request_id, "GET", url, {}))
        document = _json(Request(url, headers={"Authorization": f"Bearer {self._token()}"}))
        elapsed = (time.perf_counter() - began) * 1000
        Telemetry.emit_response(ResponseInfo(request_id, 200, {}, document, elapsed))
        return PromptVersion(document, client=self)

    def _token(self) -> str:
        known = self.config.credentials
        assert known is not None
        body = {
            "account_id": known.org_id,
            "client_id": known.client_id,
            "client_secret": known.client_secret,
        }
        url = f"{self.config.auth_api_url}/v1/auth/applications/login"
        headers = {"Content-Type": "application/json"}
        token: str = _json(Request(url, json.dumps(body).encode(), headers))["access_token"]
        return token


def client(
    credentials: ClientCredentials | None = None, config: Configuration | None = None, **options: Any
) -> ScopeClient:
    return ScopeClient(credentials=credentials, config=config, **options)


def _json(request: Request) -> dict[str, Any]:
    with urlopen(request, timeout=30) as response:
        document: dict[str, Any] = json.load(response)
    return document

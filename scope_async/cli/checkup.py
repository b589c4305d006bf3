"""`Checkup`: the checks of `scope-async doctor`, one after the other."""

from __future__ import annotations

import asyncio
import builtins
import time
from email.utils import parsedate_to_datetime
from typing import Literal

import attrs
import msgspec
from yarl import URL

from scope_async._core.clock import SystemClock
from scope_async.auth.exchange import ExchangeResponse, HttpExchange
from scope_async.auth.refresh_policy import plan_refresh
from scope_async.cli import diagnosis
from scope_async.cli.diagnosis import Diagnosis, Responsible
from scope_async.cli.store_check import examine_store
from scope_async.client import ScopeClient
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import CREDENTIALS_VARIABLE, Environment
from scope_async.errors import ConfigurationError, ScopeError, TimeoutError
from scope_async.http.messages import Reply, Request, request_headers
from scope_async.http.transport import Transport
from scope_async.http.urls import api_root
from scope_async.secrets.urls import credentials_from_env

Outcome = Literal["ok", "warning", "failed"]

_MAX_WAIT = 10.0
"""Seconds for each check: an operator waits for the outcome."""

_MAX_SKEW = 30.0
_SLOW = 1.0


@attrs.frozen
class Check:
    """The outcome of one check; `responsible` and `advice` say who solves a problem, and how."""

    name: str
    outcome: Outcome
    detail: str
    advice: str = ""
    responsible: Responsible | None = None


class Checkup:
    """Runs the checks, each of which needs the ones before; the first failure ends the run."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.misconfigured = False

    @property
    def healthy(self) -> bool:
        return not any(check.outcome == "failed" for check in self.checks)

    async def run(self) -> None:
        """Fill `checks`. An error of the package becomes a failed check."""
        config = self._configuration()
        credentials = None if config is None else await self._credentials()
        if config is None or credentials is None:
            return
        if config.store_url is not None:
            config = await self._store(config.store_url, config, credentials)
        transport = Transport(config, clock=SystemClock(), max_connections=2)
        try:
            reached = [
                await self._reach("auth API", config.auth_api_url, "SCOPE_AUTH_API_URL", transport),
                await self._reach("Scope API", config.base_url, "SCOPE_API_URL", transport),
            ]
            if not all(reached):
                return
            response = await self._exchange(config, credentials, transport)
            if response is not None:
                self._lifetime(config, response)
                if await self._path(config, transport):
                    await self._api(config, credentials)
        finally:
            await transport.aclose()

    def _add_check(self, name: str, outcome: Outcome, detail: str, advice: str = "") -> None:
        self.checks.append(Check(name, outcome, detail, advice))

    def _fail(self, name: str, detail: object, why: Diagnosis) -> None:
        self.misconfigured |= isinstance(detail, ConfigurationError)
        self.checks.append(Check(name, "failed", str(detail), why.advice, why.responsible))

    def _configuration(self) -> Config | None:
        environment = Environment()
        environment.require_credentials()
        options = environment.options()
        try:
            environment.check()
            config = Config(**options)
        except ScopeError as error:
            self._fail("variables", error, diagnosis.of_variables(error))
            return None
        self._add_check("variables", "ok", f"all are set, for {config.environment}")
        return msgspec.structs.replace(config, timeout=min(config.timeout, _MAX_WAIT), max_retries=0)

    async def _credentials(self) -> ApiKeyCredentials | None:
        url = Environment().text(CREDENTIALS_VARIABLE)
        place = None if url is None else diagnosis.place_of(url)
        try:
            async with asyncio.timeout(_MAX_WAIT):
                credentials = await credentials_from_env()()
        except builtins.TimeoutError as error:
            # A manager's own `TimeoutError` says what took so long.
            late = error if isinstance(error, ScopeError) else TimeoutError(f"none within {_MAX_WAIT:g} s")
            self._fail("credentials", late, diagnosis.of_credentials(late, place))
            return None
        except ScopeError as error:
            self._fail("credentials", error, diagnosis.of_credentials(error, place))
            return None
        source = "from the variables" if place is None else f"from {place}"
        detail = f"organization {credentials.org_id}, API key {credentials.api_key}, {source}"
        self._add_check("credentials", "ok", detail)
        return credentials

    async def _store(self, url: str, config: Config, credentials: ApiKeyCredentials) -> Config:
        """Check the store; return the configuration for further checks, without one that cannot be opened."""
        try:
            found = await examine_store(url, config, credentials)
        except ConfigurationError as error:
            why = Diagnosis("configuration", "correct SCOPE_STORE_URL, or install the extra")
            self._fail("store", error, why)
            return msgspec.structs.replace(config, store_url=None)
        if found.problem is None:
            self._add_check("store", "ok", found.detail)
        else:
            self._fail("store", found.detail, found.problem)
        return config

    async def _reach(self, name: str, url: str, variable: str, transport: Transport) -> bool:
        """Return True if `url` answers HTTP, with any status."""
        request = Request(operation="doctor", method="GET", url=URL(url), headers=request_headers())
        started = time.monotonic()
        try:
            reply = await transport.call(request, _any_reply)
        except ConfigurationError as error:
            self._fail(name, error, diagnosis.of_connection(error, url, variable))
            return False
        except ScopeError as error:
            self._fail(name, f"{url}: {error}", diagnosis.of_connection(error, url, variable))
            return False
        took = time.monotonic() - started
        tls = "TLS with a certificate that is trusted" if url.startswith("https:") else "plain HTTP"
        slow = took > _SLOW
        self._add_check(
            name,
            "warning" if slow else "ok",
            f"{url} answers after {took * 1000:.0f} ms ({tls})",
            "slow: look at the network, the proxy and the distance to the service" if slow else "",
        )
        self._skew(name, reply)
        return True

    def _skew(self, name: str, reply: Reply) -> None:
        try:
            theirs = parsedate_to_datetime(reply.headers.get("Date", "")).timestamp()
        except ValueError:
            return
        # The header has whole seconds, so on average it is half a second behind.
        skew = time.time() - theirs - 0.5
        if abs(skew) > _MAX_SKEW:
            which = "ahead of" if skew > 0 else "behind"
            self._add_check(
                "clock",
                "warning",
                f"this machine is {abs(skew):.0f} s {which} the {name}",
                "the SDK is unaffected, but times in logs will differ: set the clock (NTP)",
            )
        else:
            self._add_check("clock", "ok", f"within {_MAX_SKEW:g} s of the {name}")

    async def _exchange(
        self, config: Config, credentials: ApiKeyCredentials, transport: Transport
    ) -> ExchangeResponse | None:
        exchange = HttpExchange(config, transport)
        started = time.monotonic()
        try:
            response = await exchange(credentials)
        except ScopeError as error:
            self._fail("exchange", error, diagnosis.of_exchange(error, config))
            return None
        took = (time.monotonic() - started) * 1000
        self._add_check("exchange", "ok", f"a token in {took:.0f} ms, dialect {exchange.dialect}")
        return response

    def _lifetime(self, config: Config, response: ExchangeResponse) -> None:
        planned = plan_refresh(response.lifetime, buffer=config.token_refresh_buffer, random=0.0)
        life = f"tokens live {response.lifetime:g} s"
        detail = f"{life} and are renewed {planned.buffer:g} s or more before their end"
        if planned.clamped:
            advice = f"token_refresh_buffer is {config.token_refresh_buffer:g} s, more than half of that"
            self._add_check("lifetime", "warning", detail, f"{advice}: set SCOPE_TOKEN_REFRESH_BUFFER lower")
        else:
            self._add_check("lifetime", "ok", detail)

    async def _path(self, config: Config, transport: Transport) -> bool:
        """Return True unless a request without a token shows that there are no prompts at this path.

        With a token, a wrong path looks like a missing prompt.
        """
        url = f"{api_root(config.base_url, config.api_version)}/prompts/scope-async-doctor/production"
        request = Request(operation="doctor", method="GET", url=URL(url), headers=request_headers())
        try:
            reply = await transport.call(request, _any_reply)
        except ScopeError as error:
            self._fail("token", error, diagnosis.of_token(error, config))
            return False
        if not diagnosis.is_no_route(reply.status):
            return True
        detail = f"the Scope API is not at {config.base_url}: {url} is answered with {reply.status}"
        self._fail("token", detail, diagnosis.of_path(config))
        return False

    async def _api(self, config: Config, credentials: ApiKeyCredentials) -> None:
        try:
            async with ScopeClient(credentials, config=config) as scope:
                started = time.monotonic()
                await scope.ping()
                took = (time.monotonic() - started) * 1000
                status = scope.status()
        except ScopeError as error:
            self._fail("token", error, diagnosis.of_token(error, config))
            return
        self._add_check("token", "ok", f"the Scope API accepts it ({took:.0f} ms with the exchange)")
        for problem in status.problems:
            self._add_check("status", "warning", problem)


def _any_reply(reply: Reply) -> Reply:
    return reply

"""`scope-async doctor`: checks everything that a client needs."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Literal

import attrs
import typer
from rich.text import Text
from yarl import URL

from scope_async._core.clock import SystemClock
from scope_async.auth.exchange import ExchangeResponse, HttpExchange
from scope_async.auth.refresh_policy import plan_refresh
from scope_async.cli.output import EXIT_REFUSED, EXIT_USAGE, AsJson, print_json, print_styled, printable, run
from scope_async.client import ScopeClient
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import Environment
from scope_async.errors import (
    AuthorizationError,
    ConfigurationError,
    ConnectionError,
    InvalidCredentialsError,
    ScopeError,
    TimeoutError,
)
from scope_async.http.failures import GATEWAY
from scope_async.http.messages import Reply, Request, request_headers
from scope_async.http.transport import Transport
from scope_async.secrets.urls import credentials_from_env

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


def doctor(*, as_json: AsJson = False) -> None:
    """Check variables, both services, TLS, the exchange, the clock and latency; advise on each problem."""
    checkup = Checkup()
    run(checkup.run())
    if as_json:
        print_json({"checks": [attrs.asdict(check) for check in checkup.checks], "healthy": checkup.healthy})
    else:
        _print(checkup.checks)
    if not checkup.healthy:
        raise typer.Exit(EXIT_USAGE if checkup.misconfigured else EXIT_REFUSED)


def _print(checks: list[Check]) -> None:
    for check in checks:
        print_styled(Text.assemble(_SIGNS[check.outcome], f" {check.name:<14} {printable(check.detail)}"))
        if check.advice:
            print_styled(Text(f"  {'':<14} → {printable(check.advice)}", "dim"))


Outcome = Literal["ok", "warning", "failed"]

_MAX_SKEW = 30.0
_SLOW = 1.0


@attrs.frozen
class Check:
    """The outcome of one check; `advice` says how to solve a problem."""

    name: str
    outcome: Outcome
    detail: str
    advice: str = ""


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
        configured = await self._configuration()
        if configured is None:
            return
        config, credentials = configured
        transport = Transport(config, clock=SystemClock(), max_connections=2)
        try:
            reached = [
                await self._reach("auth API", config.auth_api_url, transport),
                await self._reach("Scope API", config.base_url, transport),
            ]
            if all(reached):
                response = await self._exchange(config, credentials, transport)
                if response is not None:
                    self._lifetime(config, response)
                    await self._api(config, credentials)
        finally:
            await transport.aclose()

    def _add_check(self, name: str, outcome: Outcome, detail: str, advice: str = "") -> None:
        self.checks.append(Check(name, outcome, detail, advice))

    async def _configuration(self) -> tuple[Config, ApiKeyCredentials] | None:
        environment = Environment()
        environment.require_credentials()
        options = environment.options()
        try:
            environment.check()
            config, credentials = Config(**options), await credentials_from_env()()
        except ScopeError as error:
            self.misconfigured = isinstance(error, ConfigurationError)
            advice = "export what is missing, correct what is wrong; the README says what each variable is"
            self._add_check("variables", "failed", str(error), advice)
            return None
        detail = f"organization {credentials.org_id}, API key {credentials.api_key}, {config.environment}"
        self._add_check("variables", "ok", detail)
        return config, credentials

    async def _reach(self, name: str, url: str, transport: Transport) -> bool:
        """Return True if `url` answers HTTP, with any status."""
        request = Request(operation="doctor", method="GET", url=URL(url), headers=request_headers())
        started = time.monotonic()
        try:
            reply = await transport.call(request, _any_reply, max_retries=0)
        except ScopeError as error:
            self._add_check(name, "failed", f"{url}: {error}", _advice_to_reach(error, url))
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
        skew = time.time() - theirs
        # The header has whole seconds, so on average it is half a second behind.
        skew -= 0.5
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
            self._add_check("exchange", "failed", str(error), _advice_to_exchange(error))
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

    async def _api(self, config: Config, credentials: ApiKeyCredentials) -> None:
        try:
            async with ScopeClient(credentials, config=config) as scope:
                started = time.monotonic()
                await scope.ping()
                took = (time.monotonic() - started) * 1000
        except ScopeError as error:
            if error.error_code == GATEWAY:
                advice = f"is the path in SCOPE_API_URL = {config.base_url} right? A gateway answers there"
            elif isinstance(error, AuthorizationError):
                advice = "the key may not read prompts: ask an administrator"
            else:
                advice = "do SCOPE_API_URL and SCOPE_AUTH_API_URL belong to the same Scope?"
            self._add_check("token", "failed", str(error), advice)
        else:
            self._add_check("token", "ok", f"the Scope API accepts it ({took:.0f} ms with the exchange)")


def _any_reply(reply: Reply) -> Reply:
    return reply


def _advice_to_reach(error: ScopeError, url: str) -> str:
    text = str(error).lower()
    if "certificate" in text:
        return "the certificate is not trusted: install the authority's certificate or set SSL_CERT_FILE"
    if "[ssl:" in text:
        return "TLS cannot be agreed on: does this port speak https, and not plain http?"
    if isinstance(error, TimeoutError):
        return "nothing answers in time: a firewall, or a proxy that HTTPS_PROXY should name"
    if isinstance(error, ConnectionError):
        return f"is {url} right, does its name resolve, and does the service run?"
    return "something answers that is not the service: is the URL right?"


def _advice_to_exchange(error: ScopeError) -> str:
    if isinstance(error, InvalidCredentialsError):
        return "the key is revoked or expired, or the secret or organization is not its own: make a new key"
    if isinstance(error, ConnectionError):
        return "the connection broke: try again"
    return "does SCOPE_AUTH_API_URL name the auth API?"

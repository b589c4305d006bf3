"""What the official documentation shows for Python, written for both clients and run against Local Scope.

A scenario yields each call and gets its result: it is awaited for the client with `async`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Generator
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import scope_async
from scope_async import (
    ApiError,
    ApiKeyCredentials,
    AuthenticationError,
    ClientCredentials,
    Config,
    MissingVariableError,
    NoProductionVersionError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ValidationError,
    sync,
)
from scope_async.local.scope import ThreadedLocalScope
from scope_async.telemetry.events import RequestFailed, RequestStarted, ResponseReceived
from scope_async.telemetry.otel import OpenTelemetryHook
from tests.fakes.threaded_scope import ThreadedScope

Scenario = Generator[Any, Any, None]


class Api:
    """One of the two clients; `client` makes one that is closed after the scenario."""

    def __init__(self, kind: Any, server: ThreadedScope, stack: Any) -> None:
        self._kind = kind
        self._stack = stack
        self.local: ThreadedLocalScope = server.local

    def client(self, credentials: Any = None, **options: Any) -> Any:
        made = self._kind.from_env(**options) if credentials is None else self._kind(credentials, **options)
        close = getattr(made, "aclose", None)
        if close is None:
            self._stack.callback(made.close)
        else:
            self._stack.push_async_callback(close)
        return made


def quick_start(api: Api) -> Scenario:
    credentials = ApiKeyCredentials.from_env()
    client = api.client(credentials=credentials)
    version = yield client.get_prompt_version("greeting")
    assert version.render(name="Alice", app="Scope") == "Hello, Alice! Welcome to Scope."


def version_of_the_package(api: Api) -> Scenario:
    assert scope_async.__version__
    yield from ()


def credentials_that_are_written_out(api: Api) -> Scenario:
    known = api.local.credentials
    credentials = ApiKeyCredentials(org_id=known.org_id, api_key=known.api_key, api_secret=known.api_secret)
    client = api.client(credentials, base_url=api.local.url, auth_api_url=api.local.url)
    yield client.ping()
    newer = ClientCredentials(org_id=known.org_id, client_id=known.api_key, client_secret=known.api_secret)
    yield api.client(newer, base_url=api.local.url, auth_api_url=api.local.url).ping()


def options_of_a_client(api: Api) -> Scenario:
    client = api.client(
        ApiKeyCredentials.from_env(),
        timeout=30,
        cache_enabled=True,
        cache_ttl=600,
        max_retries=3,
        telemetry_enabled=True,
    )
    assert (client.config.timeout, client.config.cache_ttl) == (30, 600)
    yield client.ping()


def configuration_that_clients_share(api: Api) -> Scenario:
    first = api.client(cache_ttl=600, max_retries=5)
    assert isinstance(first.config, Config)
    second = api.client(ApiKeyCredentials.from_env(), config=first.config, cache_enabled=False)
    assert (second.config.max_retries, second.config.cache_enabled) == (5, False)
    yield second.get_prompt_version("greeting")


def labels_and_versions(api: Api) -> Scenario:
    client = api.client()
    production = yield client.get_prompt_version("greeting")
    assert (yield client.get_prompt_version("greeting", label="production")) is production
    latest = yield client.get_prompt_version("greeting", label="latest")
    assert latest.version_number > production.version_number
    assert latest.is_draft
    by_id = yield client.get_prompt_version("greeting", version=production.id)
    assert by_id.content == production.content


def reads_from_the_cache_and_past_it(api: Api) -> Scenario:
    client = api.client(cache_ttl=600)
    first = yield client.get_prompt_version("greeting")
    assert (yield client.get_prompt_version("greeting")) is first
    assert api.local.journal.count("prompt") == 1
    yield client.get_prompt_version("greeting", cache=False)
    yield client.get_prompt_version("greeting", cache_ttl=60)
    client.clear_cache()
    yield client.get_prompt_version("greeting")
    assert api.local.journal.count("prompt") == 3


def cache_that_is_switched_off(api: Api) -> Scenario:
    client = api.client(cache_enabled=False)
    for _ in range(2):
        yield client.get_prompt_version("greeting")
    assert api.local.journal.count("prompt") == 2


def content_variables_and_rendering(api: Api) -> Scenario:
    client = api.client()
    version = yield client.get_prompt_version("greeting")
    assert version.content == "Hello, {{name}}! Welcome to {{app}}."
    assert version.variables == ("name", "app")
    text = yield client.render_prompt("greeting", {"name": "Alice", "app": "Scope"}, label="production")
    assert text == version.render(name="Alice", app="Scope") == "Hello, Alice! Welcome to Scope."


def properties_of_a_version(api: Api) -> Scenario:
    version = yield api.client().get_prompt_version("summarize")
    assert (version.is_draft, version.is_published, version.is_archived) == (False, True, False)
    assert version.is_production
    assert version.type == "text"
    assert version.created_at <= version.updated_at
    assert version.get_metadata("model") == "parrot-1"
    assert version.get_metadata("temperature", 0.7) == 0.7
    assert version.get_metadata("top_p") is None
    assert version.get_metadata("top_p", default=1) == 1


def variables_that_are_missing_or_unknown(api: Api) -> Scenario:
    version = yield api.client().get_prompt_version("greeting")
    with pytest.raises(MissingVariableError) as missing:
        version.render(name="Alice")
    assert missing.value.missing_variables == ("app",)
    with pytest.raises(ValidationError):
        version.render(name="Alice", app="Scope", more="…")


def errors_by_class(api: Api) -> Scenario:
    client = api.client(max_retries=0)
    caught = []
    faults = (None, ("prompt", 401), ("prompt", 429), ("prompt", 500))
    for fault in faults:
        api.local.faults.clear()
        if fault is not None:
            api.local.faults.status(*fault)
        try:
            yield client.get_prompt_version("no-such-prompt")
        except NoProductionVersionError:
            caught.append("no production version")
        except NotFoundError:
            caught.append("not found")
        except AuthenticationError:
            caught.append("authentication")
        except RateLimitError as error:
            caught.append(f"rate limit, {error.retry_after}")
        except ScopeError as error:
            caught.append(type(error).__name__)
    assert caught == ["no production version", "authentication", "rate limit, None", "ServerError"]


def facts_of_an_error(api: Api) -> Scenario:
    with pytest.raises(ApiError) as caught:
        yield api.client().get_prompt_version("no-such-prompt")
    error = caught.value
    assert error.message
    assert (error.http_status, error.error_code) == (404, "prompt_not_found")
    assert error.request_id == api.local.journal.entries[-1].request_id


def hooks_for_requests_responses_and_errors(api: Api) -> Scenario:
    said = []

    def hook(event: Any) -> None:
        match event:
            case RequestStarted(operation="prompts.get"):
                said.append(f"-> {event.method} {event.url.removeprefix(api.local.url)}")
            case ResponseReceived(operation="prompts.get", duration_ms=float()):
                said.append(f"<- {event.status}")
            case RequestFailed(operation="prompts.get", duration_ms=float()):
                said.append(f"x {event.error}")

    client = api.client(hooks=[hook])
    yield client.get_prompt_version("greeting")
    with pytest.raises(NotFoundError):
        yield client.get_prompt_version("no-such-prompt")
    assert said == [
        "-> GET /api/v1/prompts/greeting/production",
        "<- 200",
        "-> GET /api/v1/prompts/no-such-prompt/production",
        "x NoProductionVersionError",
    ]


class Lines(logging.Handler):
    """Adds the text of each record to a list."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def hooks_that_write_a_log(api: Api) -> Scenario:
    logger, lines = logging.getLogger(f"documented.{id(api)}"), list[str]()
    logger.addHandler(Lines(lines))

    def log(event: Any) -> None:
        if isinstance(event, ResponseReceived):
            logger.warning("Scope answered %s %s", event.operation, event.status)

    yield api.client(hooks=[log]).get_prompt_version("greeting")
    assert lines == ["Scope answered exchange 200", "Scope answered prompts.get 200"]


def hooks_that_make_spans(api: Api) -> Scenario:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client = api.client(hooks=[OpenTelemetryHook(tracer_provider=provider)])
    yield client.get_prompt_version("greeting")
    found = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    statuses = {each.get("http.request.method"): each.get("http.response.status_code") for each in found}
    assert statuses["GET"] == 200


def telemetry_that_is_switched_off(api: Api) -> Scenario:
    heard: list[Any] = []
    yield api.client(hooks=[heard.append], telemetry_enabled=False).ping()
    assert heard == []


def a_prompt_for_a_model(api: Api) -> Scenario:
    """OpenAI, Anthropic and LangChain get a text and the metadata; a parrot stands for them."""
    version = yield api.client().get_prompt_version("summarize")
    answer = parrot(
        model=version.get_metadata("model"),
        max_tokens=version.get_metadata("max_tokens"),
        messages=[{"role": "user", "content": version.render(document="A long story.")}],
    )
    assert answer == "parrot-1, 1024: Summarize: A long story."


def a_prompt_of_messages_for_a_model(api: Api) -> Scenario:
    version = yield api.client().get_prompt_version("support")
    messages = version.render_messages(question="Where is my order?")
    assert (
        parrot(model="m", max_tokens=1, messages=messages) == "m, 1: You help customers. Where is my order?"
    )


def a_version_that_is_promoted_meanwhile(api: Api) -> Scenario:
    client = api.client(environment="staging")
    latest = yield client.get_prompt_version("greeting", label="latest")
    yield api.local.promote("greeting", latest.id)
    client.invalidate("greeting")
    production = yield client.get_prompt_version("greeting")
    assert (production.id, production.status) == (latest.id, "published")


def parrot(*, model: str, max_tokens: int, messages: Any) -> str:
    return f"{model}, {max_tokens}: " + " ".join(str(message["content"]) for message in messages)


SCENARIOS = [
    quick_start,
    version_of_the_package,
    credentials_that_are_written_out,
    options_of_a_client,
    configuration_that_clients_share,
    labels_and_versions,
    reads_from_the_cache_and_past_it,
    cache_that_is_switched_off,
    content_variables_and_rendering,
    properties_of_a_version,
    variables_that_are_missing_or_unknown,
    errors_by_class,
    facts_of_an_error,
    hooks_for_requests_responses_and_errors,
    hooks_that_write_a_log,
    hooks_that_make_spans,
    telemetry_that_is_switched_off,
    a_prompt_for_a_model,
    a_prompt_of_messages_for_a_model,
    a_version_that_is_promoted_meanwhile,
]


@pytest.fixture
def scope(server, monkeypatch) -> ThreadedScope:
    """A Local Scope with the prompts of the documentation, and the variables of its credentials."""
    local = server.local
    local.add_prompt("greeting", "Hello, {{name}}! Welcome to {{app}}.")
    local.add_prompt("greeting", "Hi, {{name}}! This is {{app}}.", publish=False)
    metadata = {"model": "parrot-1", "max_tokens": 1024}
    local.add_prompt("summarize", "Summarize: {{document}}", metadata=metadata)
    support = [
        {"role": "system", "content": "You help customers."},
        {"role": "user", "content": "{{question}}"},
    ]
    local.add_prompt("support", support, prompt_type="chat")
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_documented_usage_without_async(scope, scenario) -> None:
    with ExitStack() as stack:
        steps, result = scenario(Api(sync.ScopeClient, scope, stack)), None
        with suppress(StopIteration):
            while True:
                result = steps.send(result)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_documented_usage_with_async(scope, scenario) -> None:
    async with AsyncExitStack() as stack:
        steps = scenario(Api(scope_async.ScopeClient, scope, stack))
        with suppress(StopIteration):
            call = steps.send(None)
            while True:
                try:
                    result = await call if inspect.isawaitable(call) else call
                except Exception as error:  # noqa: BLE001 - the scenario's own business
                    call = steps.throw(error)
                else:
                    call = steps.send(result)

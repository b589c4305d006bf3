from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scope_async import ClientClosedError, ConfigurationError, NoProductionVersionError, ServerError
from scope_async.sync import ScopeClient
from scope_async.telemetry.events import CacheHit, CacheMiss, RequestStarted
from scope_async.telemetry.otel import OpenTelemetryHook

who = contextvars.ContextVar("who", default="no one")


def test_methods_answer_as_their_asynchronous_twins(server, new_client) -> None:
    scope = new_client()
    version = scope.get_prompt_version("greeting")
    assert version.render(name="Ada") == "Hello, Ada!"
    assert scope.render_prompt("greeting", {"name": "Bob"}, label="latest") == "Hello, Bob!"
    assert scope.get_prompt_versions(["greeting"]) == {"greeting": version}
    scope.prefetch(["greeting"])
    scope.ping()
    assert scope.tokens.peek() is scope.tokens.get()
    assert scope.tokens.status().exchanges == 1
    assert scope.status().ready
    with pytest.raises(NoProductionVersionError):
        scope.get_prompt_version("nothing")
    assert server.local.journal.count("exchange") == 1


def test_from_env_reads_the_variables(server, monkeypatch) -> None:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    with ScopeClient.from_env(environment="staging") as scope:
        assert scope.config.environment == "staging"
        assert scope.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"


def test_session_is_refused(server) -> None:
    with pytest.raises(ConfigurationError, match="belongs to the event loop"):
        ScopeClient(server.local.credentials, session=object(), **server.addresses)
    with pytest.raises(ConfigurationError, match="belongs to the event loop"):
        ScopeClient.from_env(session=object(), **server.addresses)


def test_threads_share_one_exchange_and_one_fetch(server, new_client) -> None:
    scope = new_client()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: scope.get_prompt_version("greeting"), range(64)))
    assert len({version.id for version in found}) == 1
    assert server.local.journal.count("exchange") == 1
    assert server.local.journal.count("prompt") == 1


def test_closed_client_refuses_calls_until_it_is_started(server, new_client) -> None:
    scope = new_client()
    scope.ping()
    scope.close()
    scope.close()
    with pytest.raises(ClientClosedError):
        scope.get_prompt_version("greeting")
    scope.start()
    assert scope.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"


def test_close_wakes_a_caller_in_another_thread(server, new_client) -> None:
    missed = threading.Event()
    scope = new_client(hooks=[lambda event: missed.set() if isinstance(event, CacheMiss) else None])
    scope.ping()
    server.local.faults.hang("prompt")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scope.get_prompt_version, "greeting")
        assert missed.wait(10)
        scope.close()
        with pytest.raises(ClientClosedError):
            waiting.result(10)


async def test_event_loop_gets_what_is_in_memory_and_an_error_for_the_rest(server, new_client) -> None:
    scope = new_client()
    await asyncio.to_thread(scope.get_prompt_version, "greeting")
    assert scope.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"
    assert scope.tokens.get() is scope.tokens.peek()
    for call in (scope.ping, lambda: scope.get_prompt_version("greeting", cache=False)):
        with pytest.raises(ConfigurationError, match=r"scope_async\.ScopeClient"):
            call()
    scope.close()  # does not wait here
    await asyncio.to_thread(scope.close)


async def test_event_loop_gets_a_stale_copy_which_is_refreshed_meanwhile(server, new_client) -> None:
    scope = new_client(cache_ttl=1e-6)
    old = await asyncio.to_thread(scope.get_prompt_version, "greeting")
    new = await server.local.add_prompt("greeting", "Good morning, {{name}}!")
    while scope.get_prompt_version("greeting").id != new.id:
        await asyncio.sleep(0.01)
    assert old.id != new.id


def test_stale_copy_stands_in_while_the_service_fails(server, new_client) -> None:
    scope = new_client(cache_ttl=1e-6, stale_while_revalidate=0, max_retries=0)
    good = scope.get_prompt_version("greeting")
    server.local.faults.status("prompt", 503)
    found = [scope.get_prompt_version("greeting") for _ in range(5)]
    assert {version.id for version in found} == {good.id}
    assert all(version.is_stale for version in found)


def test_error_of_a_call_is_raised_in_the_callers_thread(server, new_client) -> None:
    scope = new_client(max_retries=0)
    server.local.faults.status("prompt", 503)
    with pytest.raises(ServerError) as caught:
        scope.get_prompt_version("greeting")
    assert caught.value.http_status == 503


def test_hooks_see_the_callers_context_and_no_other(server, new_client) -> None:
    seen: list[tuple[str, str, str]] = []

    def hook(event) -> None:
        if isinstance(event, CacheMiss | CacheHit):
            seen.append((type(event).__name__, event.prompt, who.get()))

    scope = new_client(hooks=[hook])
    names = [f"prompt-{number}" for number in range(8)]
    for name in names:
        server.local.add_prompt(name, "text")

    def call(name: str) -> None:
        who.set(name)
        scope.get_prompt_version(name)
        scope.get_prompt_version(name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: contextvars.Context().run(call, name), names))
    assert sorted(seen) == sorted((kind, name, name) for kind in ("CacheHit", "CacheMiss") for name in names)
    assert who.get() == "no one"


def test_async_hook_gets_its_events_whatever_thread_they_come_from(server, new_client) -> None:
    hits, done = [], threading.Event()

    async def hook(event) -> None:
        await asyncio.sleep(0)
        if isinstance(event, CacheHit):
            hits.append(threading.current_thread().name)
            done.set()

    scope = new_client(hooks=[hook])
    scope.get_prompt_version("greeting")
    scope.get_prompt_version("greeting")
    assert done.wait(10)
    assert hits == ["scope-async"]


def parent_of(span) -> int:
    assert span.parent is not None
    return span.parent.span_id


def test_span_of_a_call_is_a_child_of_the_callers_span(server, new_client) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    scope = new_client(hooks=[OpenTelemetryHook(tracer_provider=provider)])
    scope.ping()
    with provider.get_tracer("test").start_as_current_span("caller") as caller:
        scope.get_prompt_version("greeting")
        scope.get_prompt_version("greeting", cache=False)
    spans = [
        span
        for span in exporter.get_finished_spans()
        if span.context.trace_id == caller.get_span_context().trace_id
    ]
    parents = {span.context.span_id: span for span in spans}
    wait = next(span for span in spans if span.name == "scope get_prompt_version")
    fetches = [span for span in spans if span.name.startswith("GET")]
    assert parent_of(wait) == caller.get_span_context().span_id
    assert [parents[parent_of(span)].name for span in fetches] == ["scope get_prompt_version", "caller"]


def test_invalidate_and_clear_cache_are_seen_by_the_next_read(server, new_client) -> None:
    scope = new_client()
    for drop in (lambda: scope.invalidate("greeting"), scope.clear_cache):
        old = scope.get_prompt_version("greeting")
        new = server.local.add_prompt("greeting", "Another {{name}}")
        assert scope.get_prompt_version("greeting") is old
        drop()
        assert scope.get_prompt_version("greeting").id == new.id


def test_refused_token_is_replaced(server, new_client) -> None:
    scope = new_client()
    first = scope.tokens.get()
    scope.tokens.invalidate(first)
    assert scope.tokens.peek() is None or scope.tokens.peek() is not first
    assert scope.tokens.get().generation == first.generation + 1
    assert scope.tokens.refresh().generation == first.generation + 2


def test_readers_never_fail_while_others_empty_the_cache(server, new_client) -> None:
    scope = new_client(cache_max_entries=2)
    names = [f"prompt-{number}" for number in range(4)]
    for name in names:
        server.local.add_prompt(name, "text")
    stop = threading.Event()

    def empty() -> None:
        while not stop.is_set():
            scope.invalidate(names[0])
            scope.clear_cache()

    emptying = threading.Thread(target=empty)
    emptying.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: scope.get_prompt_version(names[n % 4]).name, range(400)))
    finally:
        stop.set()
        emptying.join()
    assert found == [names[n % 4] for n in range(400)]


def test_request_started_is_called_with_the_callers_context(server, new_client) -> None:
    seen = []
    scope = new_client(
        hooks=[lambda event: seen.append(who.get()) if isinstance(event, RequestStarted) else None]
    )
    scope.tokens.get()
    seen.clear()
    contextvars.Context().run(lambda: (who.set("caller"), scope.ping()))
    assert seen == ["caller"]

"""Fixtures: the installed Chromium, driven by playwright without a download."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from scope_async.local import LocalScope

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 360, "height": 740}


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = None if _chromium() else pytest.mark.skip(reason="no Chromium here: apt-get install chromium")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing is not None:
                item.add_marker(missing)


@pytest_asyncio.fixture(loop_scope="module")
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as running:
        await running.add_prompt("greeting", "Hello, {{name}}!")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[object]:
    """One browser for a file; every test has its own pages, cookies and clipboard."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=_chromium(), args=_FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser, local) -> AsyncIterator[Callable[..., Awaitable[object]]]:
    """Return what opens a page of Local Scope in a fresh window, signed in.

    Whatever the page itself complains about (the Content-Security-Policy, its script) fails the test.
    """
    contexts, complaints = [], []

    async def open_page(path: str | None = None, **options: object) -> object:
        context = await browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=local.url)
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _matters(message) else None)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.goto(local.settings_url)
        if path is not None:
            await page.goto(local.url + path)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert complaints == []


def _matters(message: object) -> bool:
    # Chromium logs every error status; the tests check these themselves.
    return message.type in {"error", "warning"} and "Failed to load resource" not in message.text

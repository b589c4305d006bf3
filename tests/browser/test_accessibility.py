"""Accessibility of Settings > API Keys: keyboard, screen reader, small screens, light and dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect

from tests.browser.actions import KEYS, views
from tests.browser.conftest import NARROW, WIDE

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_keyboard_reaches_every_action(open_page, local):
    own = await local.create_key("search-indexer")
    page = await open_page()

    async def press_until_focused(locator, key="Tab"):
        for _ in range(40):
            if await locator.evaluate("element => element === document.activeElement"):
                return
            await page.keyboard.press(key)
        raise AssertionError(f"{locator} cannot be reached by {key}")

    await press_until_focused(page.get_by_role("link", name="Create API Key"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="Create API Key")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await page.keyboard.type("by-keyboard")
    await page.keyboard.press("Tab")
    await expect(page.locator("[name=environment]:checked")).to_have_count(0)
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="Staging")).to_be_checked()
    await press_until_focused(page.get_by_role("button", name="Create", exact=True))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="API key created")).to_be_focused()
    await press_until_focused(page.get_by_role("button", name="Copy API Secret"))
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_have_text("Copied API Secret")
    await press_until_focused(page.get_by_role("checkbox"))
    await page.keyboard.press("Space")
    await press_until_focused(page.get_by_role("button", name="Done"))
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").wait_for(state="detached")
    # The focus stays near the new row.
    await press_until_focused(page.get_by_role("link", name="Revoke API key by-keyboard"))
    await press_until_focused(page.get_by_role("link", name="Revoke API key search-indexer"))
    await page.keyboard.press("Enter")
    name = page.get_by_label("Type search-indexer to confirm")
    await expect(name).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="Revoke API key search-indexer")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(name).to_be_focused()
    await page.keyboard.type("search-indexer")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_be_focused()
    assert local._store.keys.get_key(own.api_key).revoked_at is not None


async def test_tab_stays_in_the_dialog(open_page):
    page = await open_page(f"{KEYS}/new")
    for _ in range(12):
        await page.keyboard.press("Tab")
        inside = await page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
        assert inside


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light, wide", "dark, narrow"]
)
async def test_axe_finds_nothing(open_page, local, scheme, viewport):
    await local.create_key("soon", environment="staging", expires_in=86_400)
    await local.create_key("over", environment="development", expires_in=1)
    local.clock.advance(2)
    page = await open_page(color_scheme=scheme, viewport=viewport)
    async for view in views(page, local):
        found = await Axe().run(page)
        assert found.violations_count == 0, f"{view}: {found.generate_report()}"


async def test_table_fits_every_window(open_page, local):
    await local.create_key("search-indexer-" + "x" * 80, environment="development", expires_in=40 * 86_400)
    local.clock.advance(58 * 60)
    local._store.audit_log.used(local._store.keys.all()[0].api_key, local.clock.time() - 58 * 60)
    await local.create_key("replaced", expires_in=90 * 86_400)
    await local.rotate_key(local._store.keys.all()[0].api_key)
    page = await open_page()
    for width in (320, 360, 640, 641, 1024, 1248, 1249, 1280, 1920):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, width
        assert (
            await page.evaluate("document.querySelector('table').getBoundingClientRect().right") < width - 10
        )


async def test_pages_fit_into_360_pixels(open_page, local):
    await local.create_key("y" * 100)
    page = await open_page(viewport=NARROW)
    async for view in views(page, local):
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{view}: {width} pixels"
        dialog = page.locator("dialog")
        if await dialog.count():
            assert await dialog.evaluate("element => element.scrollWidth <= element.clientWidth"), view
            for button in await dialog.locator(".button:visible").all():
                await button.scroll_into_view_if_needed()
                box = await button.bounding_box()
                assert 0 <= box["x"] <= 360 - box["width"], view

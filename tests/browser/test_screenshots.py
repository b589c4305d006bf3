"""Pictures of the settings page for the documentation.

They are taken in every run; `SCOPE_TEST_SCREENSHOTS=1` writes them into docs/images/local-scope.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.browser.actions import KEYS
from tests.browser.conftest import NARROW, WIDE

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGES = Path(__file__).parents[2] / "docs" / "images" / "local-scope"
KEEP = bool(os.environ.get("SCOPE_TEST_SCREENSHOTS"))  # before a fixture takes such variables away
DAY = 86_400
AGENT = "scope-async/1.0.0"
COLOURS = 96
"""Of one picture: a third of the bytes, and no difference to the eye."""
LARGEST = 60_000
"""Bytes of one picture."""


async def add_keys(local):
    """Add keys of all ages and states; return the one that is to be rotated."""
    created = {
        "reports-nightly-dev": ("development", 30, 120, 121),
        "search-indexer-staging": ("staging", None, 41, 2),
        "mobile-gateway-prod": ("production", 90, 34, 1),
        "billing-service-prod": ("production", 90, 12, 0),
        "a-name-that-somebody-has-made-far-too-long-for-any-table-in-production": ("production", None, 3, 4),
    }
    elapsed, keys = 121, {}
    for name, (environment, life, age, _) in created.items():
        local.clock.advance((elapsed - age) * DAY)
        elapsed = age
        lifetime = None if life is None else life * DAY
        keys[name] = (await local.create_key(name, environment=environment, expires_in=lifetime)).api_key
    local.clock.advance(elapsed * DAY)
    now = local.clock.time()
    for name, (_, _, age, idle) in created.items():
        if idle < age:
            local._store.audit_log.exchanged(
                keys[name], now - idle * DAY - 127, user_agent=AGENT, address="10.1.4.27"
            )
    gone = await local.create_key("prototype", environment="development")
    await local.revoke_key(gone.api_key, "laptop stolen")
    await local.rotate_key(keys["mobile-gateway-prod"])
    return keys["billing-service-prod"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "360"])
async def test_screenshots(open_page, local, tmp_path, scheme, viewport):
    folder = IMAGES if KEEP else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    key = await add_keys(local)
    page = await open_page(color_scheme=scheme, viewport=viewport, reduced_motion="reduce")

    async def shoot(name):
        path = folder / f"{name}-{viewport['width']}-{scheme}.png"
        picture = Image.open(BytesIO(await page.screenshot()))
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        assert 0 < path.stat().st_size < LARGEST

    await expect(page.locator("tbody tr")).to_have_count(6)
    await shoot("list")
    await page.goto(f"{local.url}{KEYS}/{key}/rotate")
    await shoot("rotation")
    await page.get_by_role("button", name="Rotate", exact=True).click()
    await page.get_by_role("dialog", name="API key rotated").wait_for()
    await shoot("secret")

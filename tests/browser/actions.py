"""Actions of a user on the settings page."""

from __future__ import annotations

KEYS = "/settings/api-keys"


async def create(page, name="billing-service-prod", environment="Production"):
    await page.get_by_role("link", name="Create API Key").click()
    dialog = page.get_by_role("dialog", name="Create API Key")
    await dialog.get_by_label("Name", exact=True).fill(name)
    await dialog.get_by_label(environment).check()
    await dialog.get_by_role("button", name="Create", exact=True).click()
    return page.get_by_role("dialog", name="API key created")


async def shown(page):
    return {
        name: await page.locator(f"#{name}").text_content() for name in ("org_id", "api_key", "api_secret")
    }


async def done(page):
    await page.get_by_role("checkbox", name="I have stored the secret").check()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("dialog").wait_for(state="detached")


async def views(page, local):
    """Yield the name of each view of the settings page after opening it."""
    yield "keys"
    await create(page, "a-name-that-is-long-and-has-no-blank-" + "x" * 60)
    yield "secret"
    await page.reload()
    yield "gone"
    own = local._store.keys.all()[0].api_key
    await local.rotate_key(own)
    await page.goto(f"{local.url}{KEYS}/{own}/rotate")
    yield "replaced"
    key = local._store.keys.all()[0].api_key
    for path in (
        f"{KEYS}/new",
        f"{KEYS}/{key}/rotate",
        f"{KEYS}/{key}/revoke",
        f"{KEYS}/{key}/history",
        f"{KEYS}?q=nothing",
        f"{KEYS}?status=expired",
        f"{KEYS}/key_none/revoke",
    ):
        await page.goto(local.url + path)
        yield path
    await page.goto(f"{local.url}{KEYS}/{key}/revoke")
    await page.locator("#name").fill("wrong")
    await page.locator("dialog button").click()
    yield "wrong name"
    await page.locator("#name").fill(local._store.keys.get_key(key).name)
    await page.locator("dialog button").click()
    await page.locator("#notice").wait_for()
    yield "notice"
    await page.context.clear_cookies()
    await page.goto(local.url + KEYS)
    yield "sign in"

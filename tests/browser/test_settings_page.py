"""Settings > API Keys in a real browser: create, rotate and revoke keys."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from playwright.async_api import expect

from scope_async import ApiKeyCredentials, AuthenticationError, FileCredentials, ScopeClient
from tests.browser.actions import KEYS, create, done, shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = re.compile(r"secret_[0-9A-Za-z]{49}")


def client_of(local, credentials, **options):
    return ScopeClient(
        credentials,
        base_url=local.url,
        auth_api_url=local.url,
        retry_base_delay=0.0,
        cache_enabled=False,
        **options,
    )


async def write_credentials(path, values):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(values))
    new.replace(path)


async def test_sign_in_link_leaves_no_token_in_the_address_bar(open_page, local):
    page = await open_page()
    assert page.url == local.url + KEYS
    await expect(page).to_have_title("API Keys · Local Scope")
    (cookie,) = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert await page.evaluate("document.cookie") == ""
    assert local.admin_token not in await page.content()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Admin token").fill("admin_wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not the admin token")
    await page.get_by_label("Admin token").fill(local.admin_token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="API Keys")).to_be_visible()


async def test_cross_site_link_leads_to_the_page(open_page, local):
    page = await open_page()
    elsewhere = local.url.replace("127.0.0.1", "localhost")
    for link in (local.settings_url, local.url + KEYS):
        await page.goto(f"{elsewhere}/settings/sign-in")
        async with page.expect_navigation(url=f"{local.url}{KEYS}?from=link"):
            await page.evaluate("link => { location.href = link }", link)
        await expect(page.get_by_role("heading", name="API Keys", exact=True)).to_be_visible()
        await expect(page.get_by_role("link", name="Create API Key")).to_be_visible()


async def test_create_shows_the_secret_to_copy_once(open_page, local):
    page = await open_page()
    dialog = await create(page)
    values = await shown(page)
    assert SECRET.fullmatch(values["api_secret"])
    stored = {"api_url": local.url, "auth_api_url": local.url, **values}
    lines = [f"SCOPE_{name.upper()}='{value}'" for name, value in stored.items()]
    said = page.locator("#said")
    for label, text in {
        "Copy Organization ID": values["org_id"],
        "Copy API Key": values["api_key"],
        "Copy API Secret": values["api_secret"],
        "Copy the export lines": "\n".join(f"export {line}" for line in lines),
        "Copy the .env file": "\n".join(lines),
    }.items():
        if label == "Copy the .env file":
            await dialog.get_by_text(".env file", exact=True).click()
        button = dialog.get_by_role("button", name=label)
        await button.click()
        await expect(said).to_have_text(f"Copied {label.removeprefix('Copy ')}")
        assert await page.evaluate("navigator.clipboard.readText()") == text
        await expect(button).to_be_focused()
        await expect(button).to_have_text("Copied")
    address = page.url

    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Done").click()
    await expect(dialog).to_be_visible()  # not before the secret is stored
    await done(page)
    assert await page.evaluate("document.activeElement.id") == f"key-{values['api_key']}"
    assert values["api_secret"] not in await page.content()
    await page.go_back()
    assert page.url == address
    await expect(page.get_by_role("dialog", name="This secret was shown once")).to_be_visible()
    assert values["api_secret"] not in await page.content()
    async with client_of(local, ApiKeyCredentials(**values)) as scope:
        await scope.get_prompt_version("greeting")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("way", ["reload", "back", "elsewhere and back", "new window"])
async def test_secret_is_gone_after_the_page_was_left(open_page, local, way, script):
    page = await open_page(java_script_enabled=script)
    await create(page)
    secret = await page.locator("#api_secret").text_content()
    address = page.url
    questions = []
    page.on("dialog", lambda dialog: questions.append(dialog.type))
    if way == "reload":
        await page.reload()
    elif way == "back":
        await page.go_back()
        assert secret not in await page.content()
        await page.go_forward()
    elif way == "elsewhere and back":
        await page.goto("about:blank")
        await page.go_back()
    else:
        page = await page.context.new_page()
        await page.goto(address)
    asks = script and way != "new window"
    assert questions == ["beforeunload"] * asks
    await expect(page.get_by_role("dialog", name="This secret was shown once")).to_be_visible()
    assert secret not in await page.content()


async def test_pages_work_without_script(open_page, local):
    page = await open_page(java_script_enabled=False)
    dialog = await create(page, "no-script", "Staging")
    await expect(dialog.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)
    key = (await shown(page))["api_key"]
    await done(page)
    await page.get_by_role("link", name="Rotate API key no-script").click()
    await page.get_by_label("Not at all").check()
    await page.get_by_role("button", name="Rotate").click()
    await done(page)
    await page.get_by_role("link", name="Expired 1").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody code")).to_have_text(key)
    await page.get_by_role("searchbox", name="Search").fill("nothing")
    await page.get_by_role("button", name="Apply").click()
    await page.get_by_role("link", name="Show all API keys").click()
    await page.get_by_role("link", name="Revoke API key no-script").click()
    await page.get_by_label("Type no-script to confirm").fill("no-script")
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.locator("#notice")).to_contain_text("no-script is revoked")


async def test_revoke_fails_the_next_request_of_a_client(open_page, local):
    page = await open_page()
    await create(page)
    values = await shown(page)
    await done(page)
    async with client_of(local, ApiKeyCredentials(**values)) as scope:
        await scope.get_prompt_version("greeting")
        await page.get_by_role("link", name="Revoke API key billing-service-prod").click()
        dialog = page.get_by_role("dialog", name="Revoke API key billing-service-prod")
        await expect(dialog).to_contain_text("just now")
        name = dialog.get_by_label("Type billing-service-prod to confirm")
        await name.fill("billing-service")
        await dialog.get_by_role("button", name="Revoke").click()
        await expect(name).to_be_focused()
        await expect(name).to_have_accessible_description("This is not the name of the key.")
        await scope.get_prompt_version("greeting")
        await name.fill("billing-service-prod")
        await dialog.get_by_role("button", name="Revoke").click()
        await expect(page.locator("#notice")).to_be_focused()
        with pytest.raises(AuthenticationError):
            await scope.get_prompt_version("greeting")
    await page.get_by_role("link", name="Revoked 1").click()
    await expect(page.locator("tr.revoked")).to_contain_text("Revoked")
    await expect(page.get_by_role("link", name="Revoke API key billing-service-prod")).to_have_count(0)


async def test_rotate_under_load_fails_no_request(open_page, local, tmp_path):
    page = await open_page()
    await create(page, "under-load")
    file = tmp_path / "credentials.json"
    await write_credentials(file, await shown(page))
    await done(page)
    counts, stop = [], asyncio.Event()

    async def work(scope):
        count = 0
        while not stop.is_set():
            await scope.get_prompt_version("greeting")
            count += 1
            await asyncio.sleep(0.01)
        counts.append(count)

    async with client_of(local, FileCredentials(file)) as scope, asyncio.TaskGroup() as workers:
        for _ in range(50):
            workers.create_task(work(scope))
        await page.get_by_role("link", name="Rotate API key under-load").click()
        await page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
        await expect(page.get_by_role("dialog", name="API key rotated")).to_contain_text("goes on until")
        values = await shown(page)
        await write_credentials(file, values)
        await done(page)
        old = page.locator("tbody tr", has_not_text=values["api_key"]).filter(has_text="under-load")
        await old.get_by_role("link", name="Revoke").click()
        await page.get_by_label("Type under-load to confirm").fill("under-load")
        await page.get_by_role("button", name="Revoke", exact=True).click()
        await expect(page.locator("#notice")).to_be_visible()
        # The count by key covers the last 10,000 requests only, and is full on a slow machine.
        answered = local.journal.count("prompt")
        while local.journal.count("prompt") < answered + 500:
            await asyncio.sleep(0.01)
        stop.set()
    assert local.journal.count("prompt", status=200, api_key=values["api_key"]) >= 500
    assert len(counts) == 50
    assert min(counts) > 1


async def test_table_searches_filters_and_sorts(open_page, local):
    for name, environment in (("alpha", "staging"), ("beta", "development"), ("gamma", "staging")):
        await local.create_key(name, environment=environment)
    page = await open_page()
    names = page.locator("tbody .name")
    await page.get_by_role("link", name="Name", exact=True).click()
    await expect(names).to_have_text([re.compile(name) for name in ("alpha", "beta", "default", "gamma")])
    await expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    # With script there is nothing to apply, and the field keeps the focus.
    await expect(page.get_by_role("button", name="Apply")).to_be_hidden()
    await page.get_by_label("Environment").select_option("staging")
    search = page.get_by_role("searchbox", name="Search")
    await search.press_sequentially("A")
    await expect(page).to_have_url(re.compile("environment=staging.*&q=A|q=A.*environment=staging"))
    await expect(search).to_be_focused()
    await expect(page.locator("#said")).to_have_text(re.compile("2 of 2"))
    await expect(names).to_have_text([re.compile("alpha"), re.compile("gamma")])
    await page.get_by_role("link", name="Rotate API key gamma").click()
    await page.get_by_role("link", name="Cancel").click()
    await expect(names).to_have_count(2)
    time = page.locator("tbody time").first
    assert re.fullmatch(r"\d+ \w+ 20\d\d, [\d:]{8} UTC", await time.get_attribute("title"))

"""Settings > API Keys over real sockets: create, rotate, revoke, and the table."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote, urljoin

import pytest

from scope_async.local import Fault
from scope_async.local.pages.keys_table import PAGE
from scope_async.local.store.keys import AuditContext
from tests.integration.local.html_client import KEYS, SECRET, SeenPage, newest_key


def names(page: SeenPage) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]*)<', page.source)


async def test_create_shows_the_secret_once(admin, local, raw_client):
    page = await admin.create("billing-service-prod", environment="staging", expires_in=str(90 * 86_400))
    assert (page.status, page.path.rpartition("/")[0]) == (200, f"{KEYS}/created")
    (secret,) = set(SECRET.findall(page.source))
    key = newest_key(local)
    assert (key.name, key.environment, key.created_by) == ("billing-service-prod", "staging", "admin")
    assert key.expires_at == key.created_at + 90 * 86_400
    lines = (
        f"SCOPE_API_URL='{local.url}'",
        f"SCOPE_AUTH_API_URL='{local.url}'",
        f"SCOPE_ORG_ID='{local.org_id}'",
        f"SCOPE_API_KEY='{key.api_key}'",
        f"SCOPE_API_SECRET='{secret}'",
    )
    shown = unescape(page.source)
    assert "\n".join(f"export {line}" for line in lines) in shown
    assert "\n".join(lines) in shown
    assert (await raw_client.exchange(client_id=key.api_key, client_secret=secret)).status == 200

    again = await admin.get(page.path)
    assert again.status == 410
    pages = [again] + [await admin.get(KEYS + rest) for rest in ("", "/new", f"/{key.api_key}/history")]
    assert not any(SECRET.search(seen.source) for seen in pages)


async def test_secret_is_shown_to_the_browser_that_created_it(admin, signed_out, local):
    form = await admin.creation_form()
    sent = await admin.send("POST", KEYS, data={**form.fields, "name": "mine"})
    await signed_out.sign_in()
    assert (await signed_out.get(sent.location)).status == 410
    assert SECRET.search((await admin.get(sent.location)).source)


async def test_secret_expires_when_it_is_not_read(admin, local):
    form = await admin.creation_form()
    sent = await admin.send("POST", KEYS, data={**form.fields, "name": "slow"})
    local.clock.advance(301)
    assert (await admin.get(sent.location)).status == 410


async def test_form_sent_twice_creates_one_key(admin, local):
    before = len(local._store.keys.all())
    form = await admin.creation_form()
    assert SECRET.search((await admin.submit(form, name="once")).source)
    again = await admin.submit(form, name="once")
    assert again.status == 410
    assert not SECRET.search(again.source)
    other = await admin.submit(form, name="another")
    assert other.status == 409
    assert other.form(KEYS).fields["form_id"] != form.fields["form_id"]
    assert len(local._store.keys.all()) == before + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 101},
        {"name": "tab\there"},
        {"environment": "moon"},
        {"expires_in": "1"},
        {"form_id": "guessed"},
    ],
)
async def test_create_form_shows_its_errors(admin, local, wrong):
    before = len(local._store.keys.all())
    page = await admin.create(**{"name": "kept <b>", **wrong})
    assert page.status == 422
    assert 'aria-invalid="true"' in page.source or 'role="alert"' in page.source
    assert page.form(KEYS).fields["name"] == wrong.get("name", "kept <b>")
    assert len(local._store.keys.all()) == before


async def test_revoke_requires_the_name_and_works_at_once(admin, local, raw_client):
    own = await local.create_key("search  indexer")
    await local.add_prompt("greeting", "x")
    token = await raw_client.token(own)
    assert (await raw_client.prompt(token)).status == 200
    path = f"{KEYS}/{own.api_key}/revoke"
    dialog = await admin.get(path)
    assert "search  indexer" in dialog.source
    assert "just now" in dialog.source
    refused = await admin.submit(dialog.form(path), name="search-indexer")
    assert refused.status == 422
    assert (await raw_client.prompt(token)).status == 200
    done = await admin.submit(refused.form(path), name=" search indexer ", reason="laptop stolen")
    assert (done.status, done.path) == (200, KEYS)
    assert "search  indexer is revoked" in done.source
    assert "is revoked" not in (await admin.get(KEYS)).source
    assert (await raw_client.prompt(token)).status == 401
    *_, revoked = await local._store.keys.events(own.api_key)
    assert (revoked["event"], revoked["actor"], revoked["address"]) == ("revoked", "admin", "127.0.0.1")
    assert revoked["reason"] == "laptop stolen"
    assert "laptop stolen" in (await admin.get(f"{KEYS}/{own.api_key}/history")).source
    assert "final" in (await admin.get(path)).source


async def test_rotate_creates_a_key_and_keeps_the_old_one(admin, local, raw_client):
    own = await local.create_key("search-indexer")
    path = f"{KEYS}/{own.api_key}/rotate"
    page = await admin.submit((await admin.get(path)).form(path), overlap="3600")
    (secret,) = set(SECRET.findall(page.source))
    new = max(
        (key for key in local._store.keys.all() if key.name == "search-indexer"),
        key=lambda key: key.created_at,
    )
    assert new.api_key in page.source
    assert own.api_key in page.source
    assert (await raw_client.exchange(own)).status == 200
    assert (await raw_client.exchange(client_id=new.api_key, client_secret=secret)).status == 200
    local.clock.advance(3601)
    assert (await raw_client.exchange(own)).status == 401
    late = await admin.submit(
        (await admin.get(f"{KEYS}/{new.api_key}/rotate")).form(f"{KEYS}/{new.api_key}/rotate")
    )
    assert late.status == 200
    assert "only an active key" in (await admin.get(path)).source
    form = page.forms[0]
    gone = await admin.send("POST", path, data={**form.fields, "overlap": "0", "form_id": "x" * 22})
    assert gone.status == 409
    wrong = await admin.send("POST", path, data={**form.fields, "overlap": "7", "form_id": "x" * 22})
    assert wrong.status == 422


async def test_key_names_are_escaped(admin, local):
    hostile = """"><script>alert('x')</script>{{ 7*7 }}<b onmouseover=x>&amp;"""
    page = await admin.create(hostile)
    key = newest_key(local)
    assert key.name == hostile
    pages = [
        page,
        await admin.get(f"{KEYS}?q={quote(hostile)}"),
        *[await admin.get(f"{KEYS}/{key.api_key}/{dialog}") for dialog in ("revoke", "rotate", "history")],
        await admin.submit(
            (await admin.get(f"{KEYS}/{key.api_key}/revoke")).form(f"{KEYS}/{key.api_key}/revoke")
        ),
    ]
    for seen in pages:
        assert "&lt;script&gt;" in seen.source
        assert "<script>" not in seen.source
        assert "<b onmouseover" not in seen.source
        assert "{{ 7*7 }}" in seen.source
    form = pages[-1].form(f"{KEYS}/{key.api_key}/revoke")
    done = await admin.submit(form, name=hostile, reason="<i>why</i>")
    assert "&lt;script&gt;" in done.source
    history = await admin.get(f"{KEYS}/{key.api_key}/history")
    assert "&lt;i&gt;why" in history.source
    assert "<script>" not in done.source + history.source


async def test_table_filters_searches_sorts_and_pages(admin, local):
    for number in range(PAGE + 5):
        await local._store.keys.create(
            f"service-{number:03}",
            environment=("development", "staging")[number % 2],
            expires_in=1.0 if number == 3 else None,
            audit=AuditContext(),
        )
    gone = await local.create_key("zz-gone", environment="staging")
    await local.revoke_key(gone.api_key)
    local.clock.advance(2)
    first = await admin.get(KEYS)
    assert len(names(first)) == PAGE
    assert 'rel="next"' in first.source
    second = await admin.get(f"{KEYS}?page=2")
    assert len(names(second)) == 5
    assert 'rel="prev"' in second.source
    assert names(await admin.get(f"{KEYS}?page=999")) == names(second)
    assert set(names(first)).isdisjoint(names(second))
    assert names(await admin.get(f"{KEYS}?status=revoked")) == ["zz-gone"]
    assert names(await admin.get(f"{KEYS}?status=expired")) == ["service-003"]
    assert names(await admin.get(f"{KEYS}?environment=production")) == ["default"]
    assert names(await admin.get(f"{KEYS}?q=SERVICE-01&environment=staging&sort=name")) == [
        f"service-01{digit}" for digit in (1, 3, 5, 7, 9)
    ]
    assert names(await admin.get(f"{KEYS}?status=all&q={gone.api_key[4:]}")) == ["zz-gone"]
    assert names(await admin.get(f"{KEYS}?sort=-name&status=all"))[0] == "zz-gone"
    assert names(await admin.get(f"{KEYS}?sort=expires&status=all"))[0] == "service-003"
    turned = await admin.get(f"{KEYS}?sort=-name&q=service")
    assert next(form for form in turned.forms if form.action == KEYS and form.method == "get").fields == {
        "q": "service",
        "status": "active",
        "environment": "",
        "sort": "-name",
    }
    none = await admin.get(f"{KEYS}?q=nothing")
    assert "No API key matches" in none.source
    for nonsense in ("status=moon", "environment=%00", "sort=__class__", "page=-1", "page=%C2%B2", "x=1"):
        assert len(names(await admin.get(f"{KEYS}?{nonsense}"))) == PAGE
    dialog = await admin.get(f"{KEYS}/{gone.api_key}/history?status=revoked&q=zz")
    assert f"{KEYS}?status=revoked&q=zz#history-{gone.api_key}" in dialog.links


async def test_table_sorts_unused_keys_last(admin, local, raw_client):
    await local.create_key("unused")
    await raw_client.token()
    assert names(await admin.get(f"{KEYS}?sort=used")) == ["default", "unused"]
    page = await admin.get(f"{KEYS}?sort=-used")
    assert names(page) == ["default", "unused"]
    assert 'aria-sort="descending"' in page.source
    assert re.search(r'<time datetime="20[^"]+Z" title="\d+ \w+ 20\d\d, [\d:]+ UTC">just now<', page.source)


async def test_table_without_keys_shows_the_first_step(admin, local):
    local._store.keys.replace_all([])
    page = await admin.get(KEYS)
    assert "No API keys yet" in page.source
    assert f"{KEYS}/new" in page.links
    assert "<table" not in page.source


async def test_actions_have_the_name_of_their_key(admin, local):
    own = await local.create_key("billing-service-prod")
    source = (await admin.get(KEYS)).source
    for action in ("Revoke", "Rotate", "Copy"):
        assert f'aria-label="{action} API key billing-service-prod"' in source
    assert '<nav class="trail" aria-label="Breadcrumb">' in source
    await local.revoke_key(own.api_key)
    source = (await admin.get(f"{KEYS}?status=all")).source
    assert "Revoke API key billing-service-prod" not in source
    assert re.search(r'id="key-\w+" class="revoked"', source)


async def test_pages_are_free_of_faults(admin, local):
    local.faults.add(Fault.parse("any:status=503"))
    assert (await admin.get(KEYS)).status == 200


async def test_rotation_shows_successor_and_end_and_revoke_first(admin, local):
    own = await local.create_key("search-indexer")
    new = await local.rotate_key(own.api_key)
    page = await admin.get(KEYS)
    assert 'class="status replaced">Replaced<' in page.source
    assert re.search(r"ends <time [^>]*>in 1 day</time>", page.source)
    assert f'href="#key-{new.api_key}" title="{new.api_key}">successor<' in page.source
    actions = re.findall(rf'id="(revoke|rotate)-{own.api_key}"', page.source)
    assert actions == ["revoke", "rotate"]
    # Where the successor is not in the table, the link leads to its history.
    filtered = await admin.get(f"{KEYS}?q={own.api_key}")
    assert f"{KEYS}/{new.api_key}/history?q={own.api_key}" in filtered.links


async def test_second_rotation_asks(admin, local):
    own = await local.create_key("search-indexer")
    stale = await admin.dialog(own.api_key, "rotate")
    new = await local.rotate_key(own.api_key)
    before = len(local._store.keys.all())
    asked = await admin.submit(stale)
    assert asked.status == 409
    assert "replaced already" in asked.source
    assert new.api_key in asked.source
    assert "Confirm that it is to be rotated once more." in asked.source
    assert len(local._store.keys.all()) == before
    form = await admin.dialog(own.api_key, "rotate")
    assert "again" not in form.fields
    assert SECRET.search((await admin.submit(form, again="yes")).source)
    assert len(local._store.keys.all()) == before + 1


async def test_rotation_offers_no_overlap_beyond_the_end_of_the_key(admin, local):
    own = await local.create_key("short", expires_in=3 * 86_400)
    page = await admin.get(f"{KEYS}/{own.api_key}/rotate")
    assert len(re.findall(r'<input type="radio" name="overlap"[^>]* disabled', page.source)) == 2
    assert page.source.count("it ends before") == 2
    assert len(re.findall(r"until \d+ \w{3} 20\d\d, \d\d:\d\d UTC", page.source)) == 2
    assert page.form(f"{KEYS}/{own.api_key}/rotate").fields["overlap"] == "86400"
    brief = await local.create_key("brief", expires_in=600)
    assert (await admin.dialog(brief.api_key, "rotate")).fields["overlap"] == "0"


async def test_rotation_and_revocation_show_the_last_use(admin, local, raw_client):
    own = await local.create_key("used")
    await raw_client.exchange(own)
    for action in ("rotate", "revoke", "history"):
        source = (await admin.get(f"{KEYS}/{own.api_key}/{action}")).source
        assert re.search(r"just now</time>.*\d\d:\d\d:\d\d UTC", source, re.DOTALL), action
        assert re.search(r"from 127\.0\.0\.1 · [\w./ ]*aiohttp", source), action
    assert re.search(r"by this key from 127\.0\.0\.1 with [\w./ ]*aiohttp[^:]*: exchange", source)


async def test_history_pages_through_all_events(admin, local):
    own = await local.create_key("busy")
    for number in range(120):
        local._store.audit_log.refused(
            own.api_key, local.clock.time() + number * 2, "x", address=f"10.0.0.{number}"
        )
    await local._store.audit_log.flush()
    seen, pages = [], 0
    path: str | None = f"{KEYS}/{own.api_key}/history?status=all"
    while path is not None:
        assert "status=all" in path
        page = await admin.get(path)
        seen += re.findall(r"from (10\.0\.0\.\d+)", page.source)
        assert re.search(r"<time [^>]*>\d+ \w{3} 20\d\d, [\d:]{8} UTC</time>", page.source)
        older = re.search(r'rel="next" href="([^"]+)"', page.source)
        path = None if older is None else urljoin(path, unescape(older[1]))
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 120
    for nonsense in ("0", "-1", "99999", "x", "%C2%B2"):
        assert (await admin.get(f"{KEYS}/{own.api_key}/history?events={nonsense}")).status == 200


async def test_creation_chooses_no_environment_and_ninety_days(admin, local):
    page = await admin.get(f"{KEYS}/new?environment=staging")
    form = page.form(KEYS)
    assert "environment" not in form.fields
    assert form.fields["expires_in"] == str(90 * 86_400)
    assert re.search(r"selected>In 90 days · \d+ \w{3} 20\d\d<", page.source)
    assert (await admin.submit(form, name="nowhere")).status == 422


async def test_names_are_normalized_and_joiners_accepted(admin, local):
    await admin.create("Zoe\u0308")
    key = newest_key(local)
    assert key.name == "Zo\u00eb"
    form = await admin.dialog(key.api_key, "revoke")
    assert (await admin.submit(form, name="Zoe\u0308")).status == 200
    await admin.create("a\u200cb \U0001f469\u200d\U0001f4bb")
    assert newest_key(local).name == "a\u200cb \U0001f469\u200d\U0001f4bb"
    assert names(await admin.get(f"{KEYS}?status=all&q={quote('zoe' + chr(0x308))}")) == ["Zo\u00eb"]


async def test_second_revocation_says_what_happened(admin, local):
    own = await local.create_key("gone")
    stale = await admin.dialog(own.api_key, "revoke")
    await local.revoke_key(own.api_key, "laptop stolen")
    local.clock.advance(180)
    page = await admin.submit(stale, name="gone", reason="another")
    assert "was revoked already, 3 min ago" in page.source
    assert "laptop stolen" in page.source
    assert "your new reason was not recorded" in page.source
    assert local._store.keys.get_key(own.api_key).revoked_reason == "laptop stolen"


async def test_tabs_count_what_the_search_finds(admin, local):
    for name in ("one", "two"):
        await local.revoke_key((await local.create_key(name)).api_key)
    await local.create_key("one more")

    async def counts(query):
        source = (await admin.get(f"{KEYS}?{query}")).source
        return dict(re.findall(r'>(\w+) <span class="count">(\d+)<', source))

    assert await counts("") == {"Active": "2", "Expired": "0", "Revoked": "2", "All": "4"}
    assert await counts("q=one") == {"Active": "1", "Expired": "0", "Revoked": "1", "All": "2"}
    assert "No expired API key" in (await admin.get(f"{KEYS}?status=expired")).source

"""Settings > API Keys over real sockets: what the pages do, and what they never show."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from scope_async.local import Fault
from scope_async.local.key_store import Act
from scope_async.local.pages.table import PAGE
from tests.integration.local.local_visitor import KEYS, SeenPage, Visitor

SECRET = re.compile(r"secret_[0-9A-Za-z]{49}")


@pytest.fixture
def stranger(local, session) -> Visitor:
    return Visitor(local, session)


@pytest.fixture
async def admin(local, session) -> Visitor:
    return await Visitor(local, session).sign_in()


def newest_key(local):
    return local._store.keys.all()[0]


def names(page: SeenPage) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]*)<', page.source)


async def test_a_key_is_created_and_its_secret_shown_once(admin, local, caller):
    page = await admin.create("billing-service-prod", environment="staging", expires_in=str(90 * 86_400))
    assert (page.status, page.path.rpartition("/")[0]) == (200, f"{KEYS}/created")
    (secret,) = set(SECRET.findall(page.source))
    key = newest_key(local)
    assert (key.name, key.environment, key.created_by) == ("billing-service-prod", "staging", "admin")
    assert key.expires_at - key.created_at == 90 * 86_400
    exports = (
        f"SCOPE_ORG_ID={local.org_id}\nexport SCOPE_API_KEY={key.api_key}\nexport SCOPE_API_SECRET={secret}"
    )
    assert f"export {exports}" in page.source
    assert (await caller.exchange(client_id=key.api_key, client_secret=secret)).status == 200

    again = await admin.get(page.path)
    assert again.status == 410
    pages = [again] + [await admin.get(KEYS + rest) for rest in ("", "/new", f"/{key.api_key}/history")]
    assert not any(SECRET.search(seen.source) for seen in pages)


async def test_a_secret_is_for_the_browser_that_made_it(admin, stranger, local):
    form = (await admin.get(f"{KEYS}/new")).form(KEYS)
    sent = await admin.send("POST", KEYS, data={**form.fields, "name": "mine"})
    await stranger.sign_in()
    assert (await stranger.get(sent.headers["Location"])).status == 410
    assert SECRET.search((await admin.get(sent.headers["Location"])).source)


async def test_a_secret_that_nobody_fetches_is_forgotten(admin, local):
    form = (await admin.get(f"{KEYS}/new")).form(KEYS)
    sent = await admin.send("POST", KEYS, data={**form.fields, "name": "slow"})
    local.clock.advance(301)
    assert (await admin.get(sent.headers["Location"])).status == 410


async def test_a_form_sent_twice_makes_one_key_and_shows_nothing_again(admin, local):
    before = len(local._store.keys.all())
    form = (await admin.get(f"{KEYS}/new")).form(KEYS)
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
async def test_what_cannot_be_created_is_said_in_the_form(admin, local, wrong):
    before = len(local._store.keys.all())
    page = await admin.create(**{"name": "kept <b>", **wrong})
    assert page.status == 422
    assert 'aria-invalid="true"' in page.source or 'role="alert"' in page.source
    assert page.form(KEYS).fields["name"] == wrong.get("name", "kept <b>")
    assert len(local._store.keys.all()) == before


async def test_revoking_wants_the_name_and_works_at_once(admin, local, caller):
    own = await local.create_key("search  indexer")
    await local.add_prompt("greeting", "x")
    token = await caller.token(own)
    assert (await caller.prompt(token)).status == 200
    path = f"{KEYS}/{own.api_key}/revoke"
    dialog = await admin.get(path)
    assert "search  indexer" in dialog.source
    assert "just now" in dialog.source
    refused = await admin.submit(dialog.form(path), name="search-indexer")
    assert refused.status == 422
    assert (await caller.prompt(token)).status == 200
    done = await admin.submit(refused.form(path), name=" search indexer ", reason="laptop stolen")
    assert (done.status, done.path) == (200, KEYS)
    assert "search  indexer is revoked" in done.source
    assert "is revoked" not in (await admin.get(KEYS)).source
    assert (await caller.prompt(token)).status == 401
    *_, revoked = await local._store.keys.events(own.api_key)
    assert (revoked["event"], revoked["actor"], revoked["address"]) == ("revoked", "admin", "127.0.0.1")
    assert revoked["reason"] == "laptop stolen"
    assert "laptop stolen" in (await admin.get(f"{KEYS}/{own.api_key}/history")).source
    assert "final" in (await admin.get(path)).source


async def test_rotating_makes_a_key_and_lets_the_old_one_go_on(admin, local, caller):
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
    assert (await caller.exchange(own)).status == 200
    assert (await caller.exchange(client_id=new.api_key, client_secret=secret)).status == 200
    local.clock.advance(3601)
    assert (await caller.exchange(own)).status == 401
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


async def test_a_link_signs_in_and_leaves_the_token_behind(stranger, local):
    assert local.settings_url == f"{local.url}{KEYS}?token={local.admin_token}"
    page = await stranger.send("GET", local.settings_url.removeprefix(local.url))
    assert (page.status, page.headers["Location"], page.source) == (303, KEYS, "")
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/settings" in cookie
    assert local.admin_token not in cookie
    ((name, value),) = stranger.cookies.items()
    assert name.endswith(local.url.rpartition(":")[2])
    assert value not in repr(vars(local._store))
    assert (await stranger.get(KEYS)).status == 200


async def test_the_form_signs_in(stranger, local):
    page = await stranger.get(KEYS)
    assert page.path == "/settings/sign-in"
    before = dict(stranger.cookies)
    wrong = await stranger.submit(page.form("/settings/sign-in"), token="admin_wrong")
    assert wrong.status == 403
    assert "admin_wrong" not in wrong.source
    right = await stranger.submit(wrong.form("/settings/sign-in"), token=f" {local.admin_token} ")
    assert (right.status, right.path) == (200, KEYS)
    assert stranger.cookies != before


async def test_signing_out_ends_the_session_everywhere(admin, local, session):
    thief = Visitor(local, session)
    thief.cookies = dict(admin.cookies)
    page = await admin.submit((await admin.get(KEYS)).form("/settings/sign-out"))
    assert page.path == "/settings/sign-in"
    assert (await thief.get(KEYS)).path == "/settings/sign-in"
    assert (await admin.get(KEYS)).path == "/settings/sign-in"


async def test_a_session_ends_by_itself(admin, local):
    form = (await admin.get(f"{KEYS}/new")).form(KEYS)
    local.clock.advance(8 * 3600 + 1)
    assert (await admin.get(KEYS)).path == "/settings/sign-in"
    page = await admin.send("POST", KEYS, data={**form.fields, "name": "late"})
    assert page.status == 403
    assert "Sign in" in page.source


async def test_only_the_admin_token_opens_the_door(stranger, local, caller):
    for token in ("", "admin_", await caller.token(), local.credentials.api_secret):
        page = await stranger.get(f"{KEYS}?token={quote(token)}")
        assert page.status == 403
    for path in ("", "/new", "/created/x", f"/{local.credentials.api_key}/revoke"):
        assert (await stranger.get(KEYS + path)).path == "/settings/sign-in"
    page = await stranger.send("GET", KEYS, headers={"Authorization": f"Bearer {local.admin_token}"})
    assert page.headers["Location"] == "/settings/sign-in"


@pytest.mark.parametrize("token", [None, "", "wrong", "0" * 64, "\u2026"])
async def test_a_form_without_its_token_does_nothing(admin, local, token):
    own = await local.create_key("own")
    everything = {
        KEYS: {"name": "forged", "environment": "production", "expires_in": "", "form_id": "x" * 22},
        f"{KEYS}/{own.api_key}/revoke": {"name": "own", "form_id": "x" * 22},
        f"{KEYS}/{own.api_key}/rotate": {"overlap": "0", "form_id": "x" * 22},
        "/settings/sign-out": {},
        "/settings/sign-in": {"token": local.admin_token},
    }
    before = local._store.keys.all()
    for path, fields in everything.items():
        data = fields if token is None else {**fields, "form_token": token}
        page = await admin.send("POST", path, data=data)
        assert page.status == 403, path
    assert local._store.keys.all() == before
    assert (await admin.get(KEYS)).path == KEYS


async def test_the_form_token_of_another_browser_does_nothing(admin, local, session):
    other = await Visitor(local, session).sign_in()
    form = (await other.get(f"{KEYS}/new")).form(KEYS)
    assert (await admin.submit(form, name="forged")).status == 403


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"name": "x"}', "application/json", 415),
        (b"name=x", "multipart/form-data; boundary=x", 415),
        (b"name=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 50, "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
async def test_what_is_no_form_of_ours_is_refused_as_a_page(admin, body, content_type, status):
    page = await admin.send("POST", KEYS, data=body, headers={"Content-Type": content_type})
    assert page.status == status
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_every_page_has_the_headers(admin, stranger, local):
    seen = [
        await stranger.send("GET", KEYS),
        await stranger.get("/settings/sign-in"),
        await stranger.get(f"{KEYS}?token=wrong"),
        await admin.get(KEYS),
        await admin.create(),
        await admin.get(f"{KEYS}/key_none/revoke"),
        await admin.send("POST", KEYS),
        await admin.send("GET", KEYS, headers={"Host": "evil.example"}),
    ]
    assert [page.status for page in seen] == [303, 200, 403, 200, 200, 404, 415, 421]
    for page in seen:
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["X-Request-ID"]
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<style| style=|<script(?! src=)| on\w+=|https?://(?!www.w3.org)", page.source)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "localhost.", "[::1]:{port}", "127.0.0.9:1"]
)
async def test_this_machine_has_several_names(admin, local, host):
    host = host.format(port=local.url.rpartition(":")[2])
    assert (await admin.send("GET", KEYS, headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:80",
        "192.168.0.7",
        "localhost@evil.example",
        "evil.example#localhost",
        "[::ffff:192.168.0.7]",
        "",
    ],
)
async def test_another_name_is_refused_before_anything_else(admin, stranger, local, host):
    for path in (
        KEYS,
        f"{KEYS}?token={local.admin_token}",
        "/settings/sign-in",
        "/settings/static/settings.js",
    ):
        page = await admin.send("GET", path, headers={"Host": host})
        assert page.status == 421
        assert local.org_id not in page.source
    form = (await admin.get(f"{KEYS}/new")).form(KEYS)
    page = await admin.send("POST", KEYS, headers={"Host": host}, data={**form.fields, "name": "forged"})
    assert page.status == 421
    assert newest_key(local).name == "default"


async def test_names_are_text_and_nothing_else(admin, local):
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


async def test_filter_search_sort_and_pages(admin, local):
    for number in range(PAGE + 5):
        await local._store.keys.create(
            f"service-{number:03}",
            environment=("development", "staging")[number % 2],
            expires_in=1.0 if number == 3 else None,
            act=Act(),
        )
    gone = await local.create_key("zz-gone", environment="staging")
    await local.revoke_key(gone.api_key)
    local.clock.advance(2)
    first = await admin.get(KEYS)
    assert len(names(first)) == PAGE
    assert 'rel="next"' in first.source
    second = await admin.get(f"{KEYS}?page=2")
    assert len(names(second)) == 7
    assert 'rel="prev"' in second.source
    assert names(await admin.get(f"{KEYS}?page=999")) == names(second)
    assert set(names(first)).isdisjoint(names(second))
    assert names(await admin.get(f"{KEYS}?status=revoked")) == ["zz-gone"]
    assert names(await admin.get(f"{KEYS}?status=expired")) == ["service-003"]
    assert names(await admin.get(f"{KEYS}?environment=production")) == ["default"]
    assert names(await admin.get(f"{KEYS}?q=SERVICE-01&environment=staging&sort=name")) == [
        f"service-01{digit}" for digit in (1, 3, 5, 7, 9)
    ]
    assert names(await admin.get(f"{KEYS}?q={gone.api_key[4:]}")) == ["zz-gone"]
    assert names(await admin.get(f"{KEYS}?sort=-name"))[0] == "zz-gone"
    assert names(await admin.get(f"{KEYS}?sort=expires"))[0] == "service-003"
    turned = await admin.get(f"{KEYS}?sort=-name&q=service")
    assert next(form for form in turned.forms if form.action == KEYS and form.method == "get").fields == {
        "q": "service",
        "status": "",
        "environment": "",
        "sort": "-name",
    }
    none = await admin.get(f"{KEYS}?q=nothing")
    assert "No API key matches" in none.source
    for nonsense in ("status=moon", "environment=%00", "sort=__class__", "page=-1", "page=%C2%B2", "x=1"):
        assert len(names(await admin.get(f"{KEYS}?{nonsense}"))) == PAGE
    dialog = await admin.get(f"{KEYS}/{gone.api_key}/history?status=revoked&q=zz")
    assert f'{KEYS}?status=revoked&amp;q=zz#history-{gone.api_key}"' in dialog.source


async def test_an_unused_key_comes_last_by_use(admin, local, caller):
    await local.create_key("unused")
    await caller.token()
    assert names(await admin.get(f"{KEYS}?sort=used")) == ["default", "unused"]
    page = await admin.get(f"{KEYS}?sort=-used")
    assert names(page) == ["default", "unused"]
    assert 'aria-sort="descending"' in page.source
    assert re.search(r'<time datetime="20[^"]+Z" title="\d+ \w+ 20\d\d, [\d:]+ UTC">just now<', page.source)


async def test_a_table_without_keys_says_what_to_do_first(admin, local):
    local._store.keys.adopt([])
    page = await admin.get(KEYS)
    assert "No API keys yet" in page.source
    assert f'href="{KEYS}/new"' in page.source
    assert "<table" not in page.source


async def test_every_action_says_what_it_acts_on(admin, local):
    own = await local.create_key("billing-service-prod")
    source = (await admin.get(KEYS)).source
    for action in ("Revoke", "Rotate", "Copy"):
        assert f'aria-label="{action} API key billing-service-prod"' in source
    assert '<nav class="trail" aria-label="Breadcrumb">' in source
    await local.revoke_key(own.api_key)
    source = (await admin.get(KEYS)).source
    assert "Revoke API key billing-service-prod" not in source
    assert re.search(r'id="key-\w+" class="revoked"', source)


async def test_a_link_on_another_site_still_leads_in(admin, local):
    # The browser sends no SameSite=Strict cookie with such a request.
    cookies, admin.cookies = admin.cookies, {}
    page = await admin.get(KEYS, headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status == 200
    assert f'content="0; url={KEYS}?from=link"' in page.source
    admin.cookies = cookies
    assert (await admin.get(f"{KEYS}?from=link", headers={"Sec-Fetch-Site": "same-origin"})).path.startswith(
        KEYS
    )
    admin.cookies = {}
    again = await admin.get(f"{KEYS}?from=link", headers={"Sec-Fetch-Site": "cross-site"})
    assert again.path == "/settings/sign-in"


async def test_other_methods_and_paths(admin):
    for method, path, status in (
        ("PUT", KEYS, 405),
        ("HEAD", KEYS, 405),
        ("GET", "/settings/sign-out", 405),
        ("POST", f"{KEYS}/new", 405),
        ("GET", "/settings/static/nothing.js", 404),
        ("GET", "/settings/static/..%2Fdoor.py", 404),
        ("GET", f"{KEYS}/key_none/history", 404),
        ("GET", f"{KEYS}/created/%2e%2e", 410),
    ):
        assert (await admin.send(method, path)).status == status, (method, path)


async def test_styles_and_script_may_be_kept(stranger):
    page = await stranger.get("/settings/sign-in")
    for path in re.findall(r'(?:href|src)="(/settings/static/[^"]+)"', page.source):
        file = await stranger.get(path)
        assert file.status == 200
        assert file.headers["Cache-Control"] == "private, max-age=3600"
        assert file.headers["X-Content-Type-Options"] == "nosniff"


async def test_no_secret_and_no_admin_token_is_left_anywhere(local, session, caplog):
    caplog.set_level("DEBUG")
    admin = await Visitor(local, session).sign_in()
    page = await admin.create()
    (secret,) = set(SECRET.findall(page.source))
    await admin.submit(
        (await admin.get("/settings/sign-in")).form("/settings/sign-in"), token=local.admin_token
    )
    seen = [await admin.get(KEYS + rest) for rest in ("", "/new", f"/{newest_key(local).api_key}/revoke")]
    left = caplog.text + repr(local.journal.entries) + "".join(page.source for page in seen)
    assert {entry.operation for entry in local.journal.entries} == {"page"}
    assert local.journal.unexpected == ()
    for word in (secret, local.admin_token):
        assert word not in left


async def test_faults_leave_the_page_alone(admin, local):
    local.faults.add(Fault.parse("any:status=503"))
    assert (await admin.get(KEYS)).status == 200

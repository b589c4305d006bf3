"""Access to the settings page: sign-in, host names, forms and secrets."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from scope_async.local import LocalScope
from tests.integration.local.html_client import KEYS, SECRET, HtmlClient, newest_key


async def test_sign_in_link_redirects_to_an_address_without_the_token(signed_out, local):
    assert local.settings_url == f"{local.url}{KEYS}?token={local.admin_token}"
    page = await signed_out.send("GET", local.settings_url.removeprefix(local.url))
    assert (page.status, page.location, page.source) == (303, KEYS, "")
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/settings" in cookie
    assert local.admin_token not in cookie
    ((name, value),) = signed_out.cookies.items()
    assert "Max-Age=28800" in cookie
    assert name.startswith("scope_local_")
    assert value not in repr(vars(local._store))
    assert (await signed_out.get(KEYS)).status == 200


async def test_sign_in_form_starts_a_session(signed_out, local):
    page = await signed_out.get(KEYS)
    assert page.path == "/settings/sign-in"
    before = dict(signed_out.cookies)
    wrong = await signed_out.submit(page.form("/settings/sign-in"), token="admin_wrong")
    assert wrong.status == 403
    assert "admin_wrong" not in wrong.source
    right = await signed_out.submit(wrong.form("/settings/sign-in"), token=f" {local.admin_token} ")
    assert (right.status, right.path) == (200, KEYS)
    assert signed_out.cookies != before


async def test_sign_out_ends_the_session(admin, local, session):
    thief = HtmlClient(local, session)
    thief.cookies = dict(admin.cookies)
    page = await admin.submit((await admin.get(KEYS)).form("/settings/sign-out"))
    assert page.path == "/settings/sign-in"
    assert (await thief.get(KEYS)).path == "/settings/sign-in"
    assert (await admin.get(KEYS)).path == "/settings/sign-in"


async def test_session_expires(admin, local):
    form = await admin.creation_form()
    local.clock.advance(8 * 3600 + 1)
    assert (await admin.get(KEYS)).path == "/settings/sign-in"
    page = await admin.submit(form, name="late", expires_in="")
    assert page.status == 403
    assert "Your session has ended" in page.source
    back = await admin.submit(page.form("/settings/sign-in"), token=local.admin_token)
    typed = back.form(KEYS).fields
    assert (typed["name"], typed["environment"], typed["expires_in"]) == ("late", "production", "")
    assert (await admin.submit(back.form(KEYS))).status == 200
    assert newest_key(local).name == "late"


async def test_sign_in_requires_the_admin_token(signed_out, local, raw_client):
    for token in ("", "admin_", await raw_client.token(), local.credentials.api_secret):
        page = await signed_out.get(f"{KEYS}?token={quote(token)}")
        assert page.status == 403
    for path in ("", "/new", "/created/x", f"/{local.credentials.api_key}/revoke"):
        assert (await signed_out.get(KEYS + path)).path.partition("?")[0] == "/settings/sign-in"
    page = await signed_out.send("GET", KEYS, headers={"Authorization": f"Bearer {local.admin_token}"})
    assert page.location == "/settings/sign-in"


@pytest.mark.parametrize("token", [None, "", "wrong", "0" * 64, "\u2026"])
async def test_form_without_its_token_does_nothing(admin, local, token):
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


async def test_form_token_of_another_browser_does_nothing(admin, local, session):
    other = await HtmlClient(local, session).sign_in()
    form = await other.creation_form()
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
async def test_foreign_form_is_refused_with_a_page(admin, body, content_type, status):
    page = await admin.send("POST", KEYS, data=body, headers={"Content-Type": content_type})
    assert page.status == status
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_security_headers_are_on_every_page(admin, signed_out, local):
    seen = [
        await signed_out.send("GET", KEYS),
        await signed_out.get("/settings/sign-in"),
        await signed_out.get(f"{KEYS}?token=wrong"),
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
        assert not re.search(
            r"<style| style=|<script(?! src=)| on\w+=|https?://(?!www.w3.org|127.0.0.1)", page.source
        )


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "localhost.", "[::1]:{port}", "127.0.0.9:1"]
)
async def test_host_names_of_this_machine_are_accepted(admin, local, host):
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
async def test_foreign_host_name_is_refused_first(admin, signed_out, local, host):
    for path in (
        KEYS,
        f"{KEYS}?token={local.admin_token}",
        "/settings/sign-in",
        "/settings/static/settings.js",
    ):
        page = await admin.send("GET", path, headers={"Host": host})
        assert page.status == 421
        assert local.org_id not in page.source
    form = await admin.creation_form()
    page = await admin.send("POST", KEYS, headers={"Host": host}, data={**form.fields, "name": "forged"})
    assert page.status == 421
    assert newest_key(local).name == "default"


async def test_cross_site_link_leads_to_the_page(admin, local):
    # A browser withholds SameSite=Strict cookies from such a request.
    cookies, admin.cookies = admin.cookies, {}
    page = await admin.get(KEYS, headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status == 200
    assert 'content="0; url=../settings/api-keys?from=link"' in page.source
    admin.cookies = cookies
    assert (await admin.get(f"{KEYS}?from=link", headers={"Sec-Fetch-Site": "same-origin"})).path.startswith(
        KEYS
    )
    admin.cookies = {}
    again = await admin.get(f"{KEYS}?from=link", headers={"Sec-Fetch-Site": "cross-site"})
    assert again.path == "/settings/sign-in"


async def test_other_methods_are_405_and_other_paths_404(admin):
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


async def test_static_files_may_be_cached(signed_out):
    page = await signed_out.get("/settings/sign-in")
    paths = [path for path in page.links if "/static/" in path]
    assert len(paths) == 4
    for path in paths:
        file = await signed_out.get(path)
        assert file.status == 200
        assert file.headers["Cache-Control"] == "private, max-age=3600"
        assert file.headers["X-Content-Type-Options"] == "nosniff"


async def test_secret_and_admin_token_are_left_nowhere(local, session, caplog):
    caplog.set_level("DEBUG")
    admin = await HtmlClient(local, session).sign_in()
    page = await admin.create()
    (secret,) = set(SECRET.findall(page.source))
    other = HtmlClient(local, session)
    await other.submit(
        (await other.get("/settings/sign-in")).form("/settings/sign-in"), token=local.admin_token
    )
    seen = [await admin.get(KEYS + rest) for rest in ("", "/new", f"/{newest_key(local).api_key}/revoke")]
    left = caplog.text + repr(local.journal.entries) + "".join(page.source for page in seen)
    assert {entry.operation for entry in local.journal.entries} == {"page"}
    assert local.journal.unexpected == ()
    for word in (secret, local.admin_token):
        assert word not in left


async def test_entrances_lead_to_the_page(admin):
    for path in ("/", "/settings", "/settings/"):
        page = await admin.get(path)
        assert (page.status, page.path) == (200, KEYS)


@pytest.mark.parametrize(
    "place", ["", "?status=revoked&q=a%26b&page=2", "/new", "/key_1/rotate?environment=staging"]
)
async def test_sign_in_comes_back_to_where_one_was(signed_out, local, place):
    form = (await signed_out.get(KEYS + place)).form("/settings/sign-in")
    wrong = await signed_out.submit(form, token="admin_wrong")
    page = await signed_out.submit(wrong.form("/settings/sign-in"), token=local.admin_token)
    assert URL(page.path) == URL(KEYS + place)
    other = await signed_out.send(
        "GET", f"{KEYS}{place}{'&' if '?' in place else '?'}token={local.admin_token}"
    )
    assert URL(other.location) == URL(KEYS + place)


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example",
        "//evil.example",
        "/settings/api-keys/../../evil",
        "/settings/api-keys//evil.example",
        "/settings/api-keysevil",
        "/settings/api-keys\\evil",
        "/settings/api-keys\r\nSet-Cookie: a=b",
        "/settings/sign-out",
        "/settings/api-keys?token=x",
        "",
    ],
)
async def test_sign_in_leads_to_no_other_place(signed_out, local, place):
    form = (await signed_out.get(f"/settings/sign-in?next={quote(place)}")).form("/settings/sign-in")
    assert form.fields["next"] == KEYS
    sent = await signed_out.send(
        "POST", form.action, data={**form.fields, "token": local.admin_token, "next": place}
    )
    assert sent.location == KEYS


async def test_form_of_an_earlier_start_keeps_what_was_typed(session, tmp_path):
    path = tmp_path / "scope.sqlite"
    async with LocalScope(path) as first:
        browser = await HtmlClient(first, session).sign_in()
        own = await first.create_key("kept")
        creation, revocation = await browser.creation_form(), await browser.dialog(own.api_key, "revoke")
        rotation = await browser.dialog(own.api_key, "rotate")
    async with LocalScope(path) as second:
        browser.local = second
        page = await browser.submit(revocation, name="kept", reason="typed & kept")
        assert page.status == 403
        back = await browser.submit(page.form("/settings/sign-in"), token=second.admin_token)
        assert back.form(revocation.action).fields["reason"] == "typed & kept"
        assert back.form(revocation.action).fields["name"] == ""  # it confirms, so it is typed anew
        # Signed in again, another form of the time before.
        stale = await browser.submit(creation, name="new name", environment="staging")
        assert stale.status == 403
        (link,) = [link for link in stale.links if "/new" in link]
        assert (await browser.get(link)).form(KEYS).fields["name"] == "new name"
        stale = await browser.submit(rotation, overlap="3600")
        (link,) = [link for link in stale.links if "/rotate" in link]
        assert (await browser.get(link)).form(rotation.action).fields["overlap"] == "3600"
        assert len(second._store.keys.all()) == 2


async def test_two_servers_do_not_sign_each_other_out(session):
    async with LocalScope() as one, LocalScope() as other:
        first, second = HtmlClient(one, session), HtmlClient(other, session)
        second.cookies = first.cookies  # cookies ignore ports
        await first.sign_in()
        await second.sign_in()
        assert (await first.get(KEYS)).path == KEYS
        assert (await second.get(KEYS)).path == KEYS
        assert len(first.cookies) == 2


async def test_foreign_page_cannot_replace_the_session(signed_out, local):
    for path in ("/settings/sign-in", KEYS, f"{KEYS}?token=guess", f"{KEYS}?from=link"):
        page = await signed_out.send("GET", path, headers={"Sec-Fetch-Site": "cross-site"})
        assert "Set-Cookie" not in page.headers, path


async def test_public_host_and_path_are_served(session):
    public = "http://scope.example:8400/local/scope"
    async with LocalScope(public_url=f"{public}/") as local:
        inside = URL(local._listener.url)

        async def forward(request):
            """A proxy that takes its path off."""
            path = request.raw_path.removeprefix("/local/scope")
            async with session.request(
                request.method,
                URL(f"{inside}{path}", encoded=True),
                headers={name: value for name, value in request.headers.items() if name != "Content-Length"},
                data=await request.read(),
                allow_redirects=False,
            ) as response:
                return web.Response(
                    status=response.status, headers=response.headers, body=await response.read()
                )

        app = web.Application()
        app.router.add_route("*", "/local/scope/{rest:.*}", forward)
        async with TestServer(app) as proxy:
            browser = HtmlClient(local, session)
            browser.base = str(proxy.make_url("")).rstrip("/")
            browser.headers = {"Host": "scope.example:8400"}
            assert local.settings_url.startswith(f"{public}/settings/api-keys?token=")
            page = await browser.send("GET", URL(local.settings_url).raw_path_qs)
            assert page.location == "/local/scope/settings/api-keys"
            assert "Path=/local/scope/settings" in page.headers["Set-Cookie"]
            page = await browser.get(page.location)
            assert all(link.startswith(("/local/scope/settings/", "#")) for link in page.links)
            for link in page.links:
                assert (await browser.get(link.partition("#")[0])).status == 200, link
            form = (await browser.get("/local/scope/settings/api-keys/new")).forms[-1]
            shown = await browser.submit(form, name="behind-a-proxy", environment="staging")
            assert shown.status == 200
            assert f"SCOPE_API_URL=&#39;{public}&#39;" in shown.source

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scope_async import ApiKeyCredentials
from scope_async._core.clock import FakeClock
from scope_async.errors import (
    ConfigurationError,
    ConflictError,
    ConnectionError,
    MissingApiKeyError,
    ScopeError,
    ServerError,
    TimeoutError,
)
from scope_async.secrets import AppRole, KubernetesAuth, TokenFile, VaultCredentials
from scope_async.secrets.vault import provider as module
from scope_async.secrets.vault.auth import TokenLease
from tests.fakes.secret_managers import ROOT_TOKEN, OpenBao, free_port
from tests.fakes.vault import VaultStub

FIRST = ApiKeyCredentials("org_1", "key_1", "secret_1")
SECOND = ApiKeyCredentials("org_1", "key_2", "secret_2")
VALUES = {"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1"}
READ_ALL = 'path "secret/*" { capabilities = ["read"] }'


def shown(error: BaseException) -> str:
    return f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"


async def refusal(provider: VaultCredentials, kind: type[ScopeError] = ConfigurationError) -> str:
    with pytest.raises(kind) as caught:
        await provider()
    text = shown(caught.value)
    assert "secret_" not in text
    assert ROOT_TOKEN not in text
    assert str(caught.value).startswith("Vault at http://127.0.0.1:")
    return str(caught.value)


async def test_reads_a_secret_of_kv_version_2(openbao) -> None:
    openbao.put("v2", {**VALUES, "other": {"kept": 1}})
    assert await VaultCredentials("secret/v2", auth=ROOT_TOKEN)() == FIRST


async def test_reads_and_writes_a_secret_of_kv_version_1(openbao) -> None:
    openbao.call("POST", "sys/mounts/team/kv1", {"type": "kv", "options": {"version": "1"}})
    openbao.call("POST", "team/kv1/scope", {**VALUES, "other": "kept"})
    provider = VaultCredentials("team/kv1/scope", auth=ROOT_TOKEN)
    assert await provider() == FIRST
    await provider.store(SECOND)
    assert await provider() == SECOND
    assert openbao.call("GET", "team/kv1/scope")["data"]["other"] == "kept"
    openbao.call("DELETE", "sys/mounts/team/kv1")


async def test_reads_the_address_and_the_token_as_vault_does(openbao, monkeypatch, tmp_path) -> None:
    openbao.put("env", VALUES)
    provider = VaultCredentials("secret/env")
    assert "give `auth`, or set VAULT_TOKEN, or run `vault login`" in await refusal(provider)
    (tmp_path / ".vault-token").write_text(f"{ROOT_TOKEN}\n")
    assert await provider() == FIRST
    monkeypatch.setenv("VAULT_TOKEN", "wrong")
    provider.invalidate(FIRST)
    assert "permission denied" in await refusal(provider)
    monkeypatch.setenv("VAULT_TOKEN", ROOT_TOKEN)
    assert await provider() == FIRST


async def test_asks_vault_at_most_once_in_five_seconds_unless_refused(vault_stub) -> None:
    clock = FakeClock(ticking=False)
    provider = VaultCredentials("secret/scope", address=vault_stub.url, auth="t", clock=clock)
    first = await provider()
    assert await provider() is first
    assert vault_stub.paths.count("secret/data/scope") == 1
    provider.invalidate(SECOND)  # another one's
    assert await provider() is first
    assert vault_stub.paths.count("secret/data/scope") == 1
    provider.invalidate(first)
    assert await provider() is first  # the version is the same, so it is not decoded again
    assert vault_stub.paths.count("secret/data/scope") == 2
    clock.advance(5)
    await provider()
    assert vault_stub.paths.count("secret/data/scope") == 3
    assert vault_stub.paths.count("sys/internal/ui/mounts/secret/scope") == 1


async def test_new_version_is_read(openbao) -> None:
    openbao.put("rotated", VALUES)
    provider = VaultCredentials("secret/rotated", auth=ROOT_TOKEN)
    assert await provider() == FIRST
    openbao.put("rotated", {**VALUES, "api_key": "key_2", "api_secret": "secret_2"})
    provider.invalidate(FIRST)
    assert await provider() == SECOND


async def test_token_file_is_read_at_every_load(openbao, tmp_path) -> None:
    openbao.put("file", VALUES)
    sink = tmp_path / "sink"
    provider = VaultCredentials("secret/file", auth=TokenFile(sink))
    assert f"cannot read the token file {sink}: No such file" in await refusal(provider)
    sink.write_text(ROOT_TOKEN + "\n")
    assert await provider() == FIRST


async def test_wrong_token_and_missing_policy_say_what_to_do(openbao) -> None:
    openbao.put("denied", VALUES)
    assert "permission denied" in await refusal(VaultCredentials("secret/denied", auth="nonsense"))
    token = openbao.token('path "secret/data/denied" { capabilities = ["list"] }')
    message = await refusal(VaultCredentials("secret/denied", auth=token))
    assert "may not read secret/data/denied" in message
    assert "`read`" in message


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nomount/scope", "check that path"),
        ("cubbyhole/scope", "not kv"),
        ("sys/scope", "not kv"),
    ],
)
async def test_path_without_a_secrets_engine_is_named(openbao, path, said) -> None:
    assert said in await refusal(VaultCredentials(path, auth=ROOT_TOKEN))


async def test_path_without_a_secret_has_no_credentials_yet(openbao) -> None:
    message = await refusal(VaultCredentials("secret/nothing/here", auth=ROOT_TOKEN), MissingApiKeyError)
    assert "there is no such secret" in message


async def test_deleted_version_is_told_from_a_missing_secret(openbao) -> None:
    openbao.put("deleted", VALUES)
    openbao.call("DELETE", "secret/data/deleted")
    provider = VaultCredentials("secret/deleted", auth=ROOT_TOKEN)
    assert "its version 1 was deleted" in await refusal(provider, MissingApiKeyError)
    await provider.store(SECOND)
    assert await provider() == SECOND
    assert openbao.get("deleted")["metadata"]["version"] == 2


async def test_secret_without_the_values_names_them(openbao) -> None:
    openbao.put("partial", {"org_id": "org_1", "api_secret": "secret_1"})
    message = await refusal(VaultCredentials("secret/partial", auth=ROOT_TOKEN), MissingApiKeyError)
    assert "it has no api_key (or SCOPE_API_KEY or SCOPE_CLIENT_ID)" in message


async def test_sealed_vault_is_a_passing_failure(monkeypatch) -> None:
    with OpenBao() as server:
        server.call("PUT", "sys/seal")
        provider = VaultCredentials("secret/scope", address=server.url, auth=ROOT_TOKEN, timeout=2)
        message = await refusal(provider, ScopeError)
        assert "sealed" in message or "no answer within 2 s" in message


async def test_sealed_vault_is_named(vault_stub) -> None:
    vault_stub.answers["auth/token/lookup-self"] = lambda _: web.json_response(
        {"errors": ["Vault is sealed"]}, status=503
    )
    provider = VaultCredentials("secret/scope", address=vault_stub.url, auth="t", timeout=60, clock=Hurried())
    assert "Vault is sealed (HTTP 503)" in await refusal(provider, ServerError)
    assert len(vault_stub.asked) == 4


class Hurried(FakeClock):
    """Its sleeps take no time."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


async def test_frozen_vault_is_a_timeout_and_works_when_it_is_back(openbao) -> None:
    openbao.put("frozen", VALUES)
    provider = VaultCredentials("secret/frozen", auth=ROOT_TOKEN, timeout=0.5)
    openbao.freeze()
    try:
        assert "no answer within 0.5 s" in await refusal(provider, TimeoutError)
    finally:
        openbao.thaw()
    provider = VaultCredentials("secret/frozen", auth=ROOT_TOKEN)
    assert await provider() == FIRST


async def test_vault_that_is_not_there_is_a_connection_error() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    provider = VaultCredentials("secret/scope", address=address, auth=ROOT_TOKEN, clock=Hurried())
    assert "cannot reach" in await refusal(provider, ConnectionError)


async def test_reply_that_is_not_vaults_is_named(vault_stub) -> None:
    vault_stub.answers["secret/data/scope"] = lambda _: web.Response(text="<html>")
    provider = VaultCredentials("secret/scope", address=vault_stub.url, auth="t", clock=Hurried())
    assert "is this address Vault's?" in await refusal(provider, ServerError)


async def test_redirect_is_not_followed(vault_stub) -> None:
    async with VaultStub() as other:
        moved = web.Response(status=307, headers={"Location": f"{other.url}/v1/secret/data/scope"})
        vault_stub.answers["secret/data/scope"] = lambda _: moved
        provider = VaultCredentials("secret/scope", address=vault_stub.url, auth="t")
        assert "redirects (HTTP 307)" in await refusal(provider)
        assert other.asked == []


async def test_namespace_is_sent_with_every_request(vault_stub, monkeypatch) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "team/a")
    await VaultCredentials("secret/scope", address=vault_stub.url, auth="t")()
    assert {asked.headers["X-Vault-Namespace"] for asked in vault_stub.asked} == {"team/a"}
    assert {asked.headers["X-Vault-Request"] for asked in vault_stub.asked} == {"true"}


async def test_store_keeps_the_other_values_and_the_spelling(openbao) -> None:
    document = {"SCOPE_ORG_ID": "org_1", "SCOPE_CLIENT_ID": "key_1", "SCOPE_CLIENT_SECRET": "secret_1"}
    openbao.put("kept", {**document, "nested": {"a": [1, 2.5, None]}})
    provider = VaultCredentials("secret/kept", auth=ROOT_TOKEN)
    assert await provider() == FIRST
    await provider.store(SECOND)
    assert openbao.get("kept")["data"] == {
        "SCOPE_ORG_ID": "org_1",
        "SCOPE_CLIENT_ID": "key_2",
        "SCOPE_CLIENT_SECRET": "secret_2",
        "nested": {"a": [1, 2.5, None]},
    }
    assert await provider() == SECOND


async def test_store_makes_the_secret(openbao) -> None:
    provider = VaultCredentials("secret/brand/new", auth=ROOT_TOKEN)
    await provider.store(SECOND)
    assert openbao.get("brand/new")["data"] == {
        "org_id": "org_1",
        "api_key": "key_2",
        "api_secret": "secret_2",
    }


async def test_store_fails_on_a_concurrent_change(openbao, monkeypatch) -> None:
    openbao.put("raced", VALUES)
    read = module.read_kv

    async def read_then_lose(*arguments, **options):
        secret = await read(*arguments, **options)
        await asyncio.to_thread(openbao.put, "raced", {**VALUES, "by": "another"})
        return secret

    monkeypatch.setattr(module, "read_kv", read_then_lose)
    provider = VaultCredentials("secret/raced", auth=ROOT_TOKEN)
    with pytest.raises(ConflictError, match="another writer") as caught:
        await provider.store(SECOND)
    assert "secret_2" not in shown(caught.value)
    assert openbao.get("raced")["data"] == {**VALUES, "by": "another"}


async def test_store_that_was_answered_into_a_cut_connection_succeeds(vault_stub) -> None:
    """The first attempt's answer is lost; the second one meets the version that the first one wrote."""
    held = {"data": {}, "metadata": {"version": 4}}

    def answer(asked):
        if asked.method == "GET":
            return web.json_response({"data": held})
        if asked.body["options"]["cas"] != held["metadata"]["version"]:
            return web.json_response({"errors": ["check-and-set parameter did not match"]}, status=400)
        held.update(data=asked.body["data"], metadata={"version": 5})
        return web.Response(status=502)

    vault_stub.answers["secret/data/scope"] = answer
    await VaultCredentials("secret/scope", address=vault_stub.url, auth="t", clock=Hurried()).store(SECOND)
    assert held["metadata"]["version"] == 5


async def test_store_without_permission_says_so(openbao) -> None:
    openbao.put("readonly", VALUES)
    provider = VaultCredentials("secret/readonly", auth=openbao.token(READ_ALL))
    with pytest.raises(ConfigurationError, match=r"may not write secret/data/readonly.*`update`"):
        await provider.store(SECOND)
    assert openbao.get("readonly")["data"] == VALUES


def lease_of(provider: VaultCredentials) -> TokenLease:
    assert provider._token._lease is not None
    return provider._token._lease


@pytest.fixture
def approle(openbao) -> AppRole:
    if "approle/" not in openbao.call("GET", "sys/auth")["data"]:
        openbao.call("POST", "sys/auth/approle", {"type": "approle"})
    openbao.call("PUT", "sys/policies/acl/scope", {"policy": READ_ALL})
    openbao.call("POST", "auth/approle/role/scope", {"token_policies": ["scope"], "token_ttl": "60s"})
    role_id = openbao.call("GET", "auth/approle/role/scope/role-id")["data"]["role_id"]
    secret_id = openbao.call("POST", "auth/approle/role/scope/secret-id", {})["data"]["secret_id"]
    return AppRole(role_id, secret_id)


async def test_approle_logs_in_and_again_when_its_token_was_revoked(openbao, approle) -> None:
    openbao.put("approle", VALUES)
    provider = VaultCredentials("secret/approle", auth=approle)
    assert await provider() == FIRST
    lease = lease_of(provider)
    openbao.call("POST", "auth/token/revoke", {"token": lease.token})
    provider.invalidate(FIRST)
    assert await provider() == FIRST
    assert lease_of(provider).token != lease.token
    assert approle.secret_id not in repr(provider) + repr(approle) + repr(lease)
    assert lease.token not in repr(lease)


async def test_approle_with_a_wrong_secret_id_says_so(openbao, approle) -> None:
    openbao.put("approle", VALUES)
    message = await refusal(VaultCredentials("secret/approle", auth=AppRole(approle.role_id, "wrong-one")))
    assert "the AppRole login at auth/approle/login was refused: invalid" in message
    assert "wrong-one" not in message


async def test_approle_renews_its_token_for_real(openbao, approle) -> None:
    openbao.put("approle", VALUES)
    clock = FakeClock()
    provider = VaultCredentials("secret/approle", auth=approle, clock=clock)
    await provider()
    before = lease_of(provider)
    assert before.duration == 60
    clock.advance(41)
    await provider()
    after = lease_of(provider)
    assert (after.token, after.since > before.since) == (before.token, True)


def jwt(name: str) -> str:
    claims = {
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "billing",
        "kubernetes.io/serviceaccount/service-account.name": name,
        "kubernetes.io/serviceaccount/service-account.uid": "uid-1",
        "sub": f"system:serviceaccount:billing:{name}",
    }
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return f"{coded[0]}.{coded[1]}.c2lnbmF0dXJl"


@pytest.fixture
async def token_reviewer() -> AsyncIterator[str]:
    """What Vault asks of Kubernetes: whose service account's token is this?"""

    async def review(request: web.Request) -> web.Response:
        asked = await request.json()
        name = "app" if asked["spec"]["token"] == jwt("app") else "unknown"
        user = {"username": f"system:serviceaccount:billing:{name}", "uid": "uid-1", "groups": []}
        return web.json_response(
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "status": {"authenticated": name == "app", "user": user},
            }
        )

    app = web.Application()
    app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", review)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def test_kubernetes_logs_in_with_the_service_account(openbao, token_reviewer, tmp_path) -> None:
    openbao.put("pod", VALUES)
    openbao.call("PUT", "sys/policies/acl/scope", {"policy": READ_ALL})
    await asyncio.to_thread(openbao.call, "POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    configuration = {
        "kubernetes_host": token_reviewer,
        "token_reviewer_jwt": jwt("vault"),
        "kubernetes_ca_cert": "unused: the reviewer speaks plain HTTP",
        "disable_local_ca_jwt": True,
        "disable_iss_validation": True,
    }
    await asyncio.to_thread(openbao.call, "POST", "auth/kubernetes/config", configuration)
    role = {
        "bound_service_account_names": ["app"],
        "bound_service_account_namespaces": ["billing"],
        "token_policies": ["scope"],
    }
    await asyncio.to_thread(openbao.call, "POST", "auth/kubernetes/role/scope", role)
    account = tmp_path / "token"
    provider = VaultCredentials("secret/pod", auth=KubernetesAuth("scope", token_path=account))
    assert "cannot read the service account's token" in await refusal(provider)
    account.write_text(jwt("app"))
    assert await provider() == FIRST
    account.write_text(jwt("intruder"))
    other = VaultCredentials("secret/pod", auth=KubernetesAuth("scope", token_path=account))
    message = await refusal(other)
    assert "the KubernetesAuth login at auth/kubernetes/login was refused" in message
    assert jwt("intruder") not in message
    openbao.call("DELETE", "sys/auth/kubernetes")


def test_one_provider_serves_event_loops_one_after_another(openbao, new_loop) -> None:
    openbao.put("loops", VALUES)
    provider = VaultCredentials("secret/loops", auth=ROOT_TOKEN)
    for _ in range(3):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            assert runner.run(provider()) == FIRST
        provider.invalidate(FIRST)


async def test_private_ca_of_vault_cacert(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("VAULT_CACERT", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("VAULT_ADDR", f"https://127.0.0.1:{free_port()}")
    with pytest.raises(ConfigurationError, match=r"VAULT_CACERT: cannot read .*absent\.pem: No such file"):
        await VaultCredentials("secret/scope", auth="t")()


async def test_vault_is_sent_no_header_of_the_scope_api(vault_stub) -> None:
    await VaultCredentials("secret/scope", address=vault_stub.url, auth="t")()
    for asked in vault_stub.asked:
        assert "X-Scope-Environment" not in asked.headers
        assert asked.headers["User-Agent"].startswith("scope-async/")

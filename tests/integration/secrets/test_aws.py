from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from scope_async import ApiKeyCredentials
from scope_async._core.clock import FakeClock
from scope_async.errors import (
    ConfigurationError,
    ConflictError,
    ConnectionError,
    MissingApiKeyError,
    TimeoutError,
)
from scope_async.secrets import AwsSecretsManagerCredentials
from tests.fakes.secret_managers import free_port

pytest.importorskip("botocore")

FIRST = ApiKeyCredentials("org_1", "key_1", "secret_1")
SECOND = ApiKeyCredentials("org_1", "key_2", "secret_2")
VALUES = {"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1"}
NEXT = {**VALUES, "api_key": "key_2", "api_secret": "secret_2"}


class Secret:
    """A secret in the stand-in for AWS, as its administrator sees it."""

    def __init__(self, moto, text: str | None) -> None:
        import botocore.session

        self.name = f"prod/scope-{uuid.uuid4().hex}"
        self.client = botocore.session.get_session().create_client("secretsmanager")
        made = self.client.create_secret(Name=self.name, **({} if text is None else {"SecretString": text}))
        self.arn = made["ARN"]

    def put(self, text: str, *stages: str) -> str:
        options = {"VersionStages": list(stages)} if stages else {}
        return self.client.put_secret_value(SecretId=self.name, SecretString=text, **options)["VersionId"]

    def text(self, stage: str = "AWSCURRENT") -> str:
        return self.client.get_secret_value(SecretId=self.name, VersionStage=stage)["SecretString"]

    def stages(self) -> dict[str, str]:
        versions = self.client.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        return {stage: version for version, stages in versions.items() for stage in stages}


@pytest.fixture
def secret(moto):
    made: list[Secret] = []

    def make(text: str | None) -> Secret:
        made.append(Secret(moto, text))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


async def message_of(provider, kind=ConfigurationError) -> str:
    with pytest.raises(kind) as caught:
        await provider()
    error = caught.value
    assert "secret_1" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    return str(error)


async def test_reads_a_secret_by_name_and_by_arn(secret) -> None:
    kept = secret(json.dumps(VALUES))
    assert await AwsSecretsManagerCredentials(kept.name)() == FIRST
    by_arn = AwsSecretsManagerCredentials(kept.arn)
    assert by_arn.region == "eu-west-1"
    assert await by_arn() == FIRST


async def test_region_of_the_arn_needs_no_other(secret, monkeypatch) -> None:
    kept = secret(json.dumps(VALUES))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert await AwsSecretsManagerCredentials(kept.arn)() == FIRST
    message = await message_of(AwsSecretsManagerCredentials(kept.name))
    assert message == f"AWS secret {kept.name!r}: no AWS region; set AWS_REGION or give `region`"


async def test_new_version_is_read_when_the_memory_is_over(secret) -> None:
    kept, clock = secret(json.dumps(VALUES)), FakeClock(ticking=False)
    provider = AwsSecretsManagerCredentials(kept.name, clock=clock)
    first = await provider()
    kept.put(json.dumps(NEXT))
    assert await provider() is first
    clock.advance(5)
    assert await provider() == SECOND


async def test_unchanged_version_is_not_read_again(secret) -> None:
    kept = secret(json.dumps(VALUES))
    provider = AwsSecretsManagerCredentials(kept.name)
    first = await provider()
    provider.invalidate(first)
    assert await provider() is first


async def test_refused_current_version_falls_back_to_the_pending_one(secret) -> None:
    kept = secret(json.dumps(VALUES))
    pending = kept.put(json.dumps(NEXT), "AWSPENDING")
    provider = AwsSecretsManagerCredentials(kept.name)
    assert await provider() == FIRST
    provider.invalidate(FIRST)
    assert await provider() == SECOND
    provider.invalidate(SECOND)  # refused as well: what counts is the current one
    assert await provider() == FIRST
    current = kept.stages()["AWSCURRENT"]
    kept.client.update_secret_version_stage(
        SecretId=kept.name, VersionStage="AWSCURRENT", RemoveFromVersionId=current, MoveToVersionId=pending
    )
    provider.invalidate(FIRST)
    assert await provider() == SECOND


async def test_refused_current_version_stays_where_nothing_is_pending(secret) -> None:
    provider = AwsSecretsManagerCredentials(secret(json.dumps(VALUES)).name)
    provider.invalidate(await provider())
    assert await provider() == FIRST


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("no json", ConfigurationError, "not valid JSON"),
        ('["secret_1"]', ConfigurationError, "a JSON list, not an object"),
        ('{"org_id": "org_1", "api_secret": "secret_1"}', MissingApiKeyError, "it has no api_key"),
        (
            '{"org_id": "o", "api_key": 7, "api_secret": "secret_1"}',
            ConfigurationError,
            "api_key must be a string",
        ),
    ],
)
async def test_secret_without_the_values_says_what_is_wrong(secret, text, kind, said) -> None:
    assert said in await message_of(AwsSecretsManagerCredentials(secret(text).name), kind)


async def test_secret_that_does_not_exist_is_named(moto) -> None:
    message = await message_of(AwsSecretsManagerCredentials("prod/absent"))
    assert "AWS secret 'prod/absent': get_secret_value was answered with ResourceNotFoundException" in message
    assert "check its name or ARN" in message


async def test_missing_identity_is_named(moto, monkeypatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    provider = AwsSecretsManagerCredentials("prod/scope")
    assert "botocore found no AWS credentials" in await message_of(provider)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")  # it is looked for again
    assert "ResourceNotFoundException" in await message_of(provider)


async def test_frozen_aws_is_a_timeout_and_works_when_it_is_back(secret, moto) -> None:
    provider = AwsSecretsManagerCredentials(secret(json.dumps(VALUES)).name, timeout=0.5)
    moto.freeze()
    try:
        assert "no answer from AWS" in await message_of(provider, TimeoutError)
    finally:
        moto.thaw()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await provider() == FIRST
                break
            except TimeoutError:  # the thread that was caught in it may have to end first
                continue


async def test_aws_that_is_not_there_is_a_connection_error(moto, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    message = await message_of(AwsSecretsManagerCredentials("prod/scope"), ConnectionError)
    assert "AWS cannot be reached (EndpointConnectionError)" in message


async def test_endpoint_that_is_no_url_is_a_configuration_error(moto, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    assert "AWS_ENDPOINT_URL" in await message_of(AwsSecretsManagerCredentials("prod/scope"))


async def test_store_makes_a_new_current_version(secret) -> None:
    kept = secret('{\n  "SCOPE_ORG_ID": "org_1",\n  "SCOPE_CLIENT_ID": "a",\n  "other": {"kept": 1}\n}')
    before = kept.stages()["AWSCURRENT"]
    provider = AwsSecretsManagerCredentials(kept.name)
    await provider.store(SECOND)
    document = json.loads(kept.text())
    assert document == {
        "SCOPE_ORG_ID": "org_1",
        "SCOPE_CLIENT_ID": "key_2",
        "SCOPE_API_SECRET": "secret_2",
        "other": {"kept": 1},
    }
    assert kept.stages()["AWSPREVIOUS"] == before
    assert "AWSPENDING" not in kept.stages()
    assert await provider() == SECOND


async def test_store_fails_on_a_concurrent_change(secret, monkeypatch) -> None:
    kept = secret(json.dumps(VALUES))
    provider = AwsSecretsManagerCredentials(kept.name)
    read = provider._api.read

    def read_then_lose(*arguments):
        version = read(*arguments)
        kept.put(json.dumps({**VALUES, "by": "another"}))
        return version

    monkeypatch.setattr(provider._api, "read", read_then_lose)
    with pytest.raises(ConflictError, match="another writer") as caught:
        await provider.store(SECOND)
    assert "secret_2" not in repr(caught.value)
    assert json.loads(kept.text())["by"] == "another"
    assert "AWSPENDING" not in kept.stages()


async def test_store_leaves_a_rotation_under_way_alone(secret) -> None:
    kept = secret(json.dumps(VALUES))
    kept.put(json.dumps(NEXT), "AWSPENDING")
    with pytest.raises(ConflictError, match="a rotation is under way"):
        await AwsSecretsManagerCredentials(kept.name).store(SECOND)
    assert json.loads(kept.text()) == VALUES


async def test_store_needs_a_secret_that_exists(moto) -> None:
    with pytest.raises(ConfigurationError, match=r"describe_secret .* ResourceNotFoundException"):
        await AwsSecretsManagerCredentials("prod/absent").store(SECOND)


def test_one_provider_serves_event_loops_one_after_another(secret, new_loop) -> None:
    provider = AwsSecretsManagerCredentials(secret(json.dumps(VALUES)).name)
    for _ in range(3):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            assert runner.run(provider()) == FIRST
        provider.invalidate(FIRST)

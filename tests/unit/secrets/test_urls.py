from __future__ import annotations

import sys

import pytest

from scope_async.credentials import EnvCredentials, FileCredentials
from scope_async.errors import ConfigurationError
from scope_async.secrets import (
    AwsSecretsManagerCredentials,
    CachingCredentials,
    KeyringCredentials,
    LeasedCredentials,
    VaultCredentials,
    WritableCredentials,
    credentials_from_env,
    credentials_from_url,
)
from tests.fakes.secret_managers import without_managers


@pytest.fixture(autouse=True)
def _no_managers_of_their_own(monkeypatch, tmp_path) -> None:
    without_managers(monkeypatch, tmp_path)
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example:8200/")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///etc/scope/credentials", "/etc/scope/credentials"),
        ("FILE://localhost/a%20b", "/a b"),
        (" file:///run/secrets/ ", "/run/secrets/"),
    ],
)
def test_file_url_is_a_path(url, path) -> None:
    assert credentials_from_url(url) == FileCredentials(path)


def test_vault_url_is_mount_and_path() -> None:
    provider = credentials_from_url("vault://secret/scope/billing%20api")
    assert isinstance(provider, VaultCredentials)
    assert (
        repr(provider) == "VaultCredentials('secret/scope/billing api', address='https://vault.example:8200')"
    )
    assert isinstance(provider, WritableCredentials)
    assert isinstance(provider, CachingCredentials)
    assert isinstance(provider, LeasedCredentials)


@pytest.mark.parametrize(
    ("url", "secret_id", "region"),
    [
        ("aws-sm://prod/scope/billing", "prod/scope/billing", None),
        ("aws-sm://scope?region=eu-central-1", "scope", "eu-central-1"),
        (
            "aws-sm://arn:aws:secretsmanager:us-east-1:1:secret:scope-AbCdEf",
            "arn:aws:secretsmanager:us-east-1:1:secret:scope-AbCdEf",
            "us-east-1",
        ),
    ],
)
def test_aws_url_is_a_name_or_an_arn(url, secret_id, region) -> None:
    provider = credentials_from_url(url)
    assert isinstance(provider, AwsSecretsManagerCredentials)
    assert isinstance(provider, WritableCredentials)
    assert (provider.secret_id, provider.region) == (secret_id, region)


def test_keyring_url_is_a_service() -> None:
    provider = credentials_from_url("keyring://scope")
    assert isinstance(provider, KeyringCredentials)
    assert isinstance(provider, WritableCredentials)
    assert provider.service == "scope"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("etc/scope", "no credentials URL; the forms are file:///path, vault://mount/path"),
        ("s3://bucket", "no provider for s3:// URLs"),
        ("file://host/path", "three slashes"),
        ("file:relative", "no credentials URL"),
        ("vault://secret", "a mount and a name"),
        ("vault://secret/../sys", "a mount and a name"),
        ("vault://token:hunter2@secret/scope", "must not carry a user name or a password"),
        ("s3://hunter2@secret/scope", "must not carry a user name or a password"),
        ("vault://secret/scope?token=hunter2", "has no option 'token'"),
        ("keyring://", "must be a name"),
        ("aws-sm://", "must be the name or the ARN"),
        (7, "must be a string"),
    ],
)
def test_url_that_is_none_of_them_is_one_clear_error(url, said) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        credentials_from_url(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "module", "said"),
    [
        ("aws-sm://scope", "botocore", r"botocore is not installed: pip install 'scope-async\[aws\]'"),
        ("keyring://scope", "keyring", r"keyring is not installed: pip install 'scope-async\[keyring\]'"),
    ],
)
def test_missing_extra_says_what_to_install(monkeypatch, url, module, said) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=f"^{said}$"):
        credentials_from_url(url)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://vault.example:8200", "plain http:// to 'vault.example'"),
        ("https://u:hunter2@vault.example", "must not carry"),
        ("vault.example:8200", "must be a URL such as"),
        ("https://vault.example/?token=hunter2", "must be a URL such as"),
        ("https://[half", "must be a URL such as"),
        (None, "set VAULT_ADDR"),
    ],
)
def test_address_of_vault_that_is_not_acceptable_is_named(monkeypatch, address, said) -> None:
    monkeypatch.delenv("VAULT_ADDR")
    if address is not None:
        monkeypatch.setenv("VAULT_ADDR", address)
    with pytest.raises(ConfigurationError, match=said) as caught:
        credentials_from_url("vault://secret/scope")
    assert "hunter2" not in str(caught.value)


def test_plain_http_of_vault_is_allowed_on_demand(monkeypatch) -> None:
    VaultCredentials("secret/scope", address="http://vault.example", allow_insecure=True)
    monkeypatch.setenv("SCOPE_ALLOW_INSECURE", "true")
    VaultCredentials("secret/scope", address="http://vault.example")


def test_environment_names_the_place_or_holds_the_values_itself() -> None:
    assert credentials_from_env({}) == EnvCredentials()
    assert credentials_from_env({"SCOPE_CREDENTIALS": "file:///a"}) == FileCredentials("/a")
    with pytest.raises(ConfigurationError, match=r"^SCOPE_CREDENTIALS: no provider for s3:// URLs"):
        credentials_from_env({"SCOPE_CREDENTIALS": "s3://bucket"})

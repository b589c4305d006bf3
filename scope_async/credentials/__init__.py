"""Long-lived credentials, and where they come from."""

from scope_async.credentials.api_key import ApiKeyCredentials, ClientCredentials
from scope_async.credentials.document import parse_credentials
from scope_async.credentials.providers import (
    ChainCredentials,
    CredentialProvider,
    EnvCredentials,
    FileCredentials,
    StaticCredentials,
    as_provider,
)

__all__ = [
    "ApiKeyCredentials",
    "ChainCredentials",
    "ClientCredentials",
    "CredentialProvider",
    "EnvCredentials",
    "FileCredentials",
    "StaticCredentials",
    "as_provider",
    "parse_credentials",
]

"""Credentials out of secret managers, and new ones into them.

Each provider is asked before every token exchange. Those of AWS and of the machine's keyring need
the extra of that name; Vault needs none.
"""

from scope_async.credentials import CachingCredentials, LeasedCredentials, WritableCredentials
from scope_async.secrets.aws import AwsSecretsManagerCredentials
from scope_async.secrets.system_keyring import KeyringCredentials
from scope_async.secrets.urls import credentials_from_env, credentials_from_url
from scope_async.secrets.vault import AppRole, KubernetesAuth, TokenFile, VaultAuth, VaultCredentials

__all__ = [
    "AppRole",
    "AwsSecretsManagerCredentials",
    "CachingCredentials",
    "KeyringCredentials",
    "KubernetesAuth",
    "LeasedCredentials",
    "TokenFile",
    "VaultAuth",
    "VaultCredentials",
    "WritableCredentials",
    "credentials_from_env",
    "credentials_from_url",
]

"""Credentials in HashiCorp Vault or OpenBao."""

from scope_async.secrets.vault.auth import AppRole, KubernetesAuth, TokenFile, VaultAuth
from scope_async.secrets.vault.provider import VaultCredentials

__all__ = ["AppRole", "KubernetesAuth", "TokenFile", "VaultAuth", "VaultCredentials"]

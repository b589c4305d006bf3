"""Credentials in AWS Secrets Manager."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Awaitable
from typing import TypeVar
from uuid import uuid4

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.threads import SharedThread, run_in_thread
from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials.document import parse_object, read_credentials
from scope_async.credentials.replacement import format_object, replace_credentials
from scope_async.errors import ConfigurationError, ConflictError, ScopeError, TimeoutError
from scope_async.secrets.aws_api import (
    CURRENT,
    PENDING,
    STAGE_MOVED,
    AwsFailure,
    SecretsManagerApi,
    SecretVersion,
)
from scope_async.secrets.failures import require_extra, with_manager
from scope_async.secrets.memory import Answer, AnswerMemory

Result = TypeVar("Result")

_CONFLICT = "it was changed by another writer meanwhile; it still holds what that one wrote"


class AwsSecretsManagerCredentials:
    """Credentials from a secret in AWS Secrets Manager, which is rotated there.

    Its `SecretString` is a JSON object with `org_id`, `api_key` and `api_secret` (or the
    environment's names for them). Needs the extra `aws`, and the permissions
    `secretsmanager:GetSecretValue`, and to write `DescribeSecret`, `PutSecretValue` and
    `UpdateSecretVersionStage`.

    AWS credentials, region and `AWS_ENDPOINT_URL` are found as botocore finds them: environment,
    profile, web identity, container or instance role. botocore reads files and waits for answers in
    a daemon thread of its own, never on the event loop. Asked before every exchange, at most once
    in 5 s. The version `AWSCURRENT` counts; while the auth API refuses that, `AWSPENDING` does, as in
    the middle of a rotation. Usable from several event loops.

    Args:
        secret_id: the secret's name or ARN.
        region: of the secret, instead of the ARN's or the one that botocore finds.
        timeout: seconds for one load, retries included.
        clock: for tests.

    Raises:
        ConfigurationError: botocore is not installed, or `secret_id` is none.

    Raises (when called):
        ConfigurationError: no such secret, no permission, no AWS credentials or region, or it does not
            hold the three values (a `MissingApiKeyError`); says which, and what to do.
        ConnectionError, TimeoutError, ServerError, RateLimitError: AWS did not answer as it should.
    """

    def __init__(
        self, secret_id: str, *, region: str | None = None, timeout: float = 10.0, clock: Clock | None = None
    ) -> None:
        if not isinstance(secret_id, str) or not secret_id.strip() or not secret_id.isprintable():
            raise ConfigurationError(
                "secret_id must be the name or the ARN of a secret in AWS Secrets Manager"
            )
        require_extra("botocore", "aws")
        self.secret_id = secret_id
        self.region = region or _region_of(secret_id)
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._api = SecretsManagerApi(secret_id, region=self.region, timeout=timeout)
        self._memory = AnswerMemory(self._clock)
        self._refused: frozenset[ApiKeyCredentials] = frozenset()
        self._read = SharedThread(self._read_answer)

    def __repr__(self) -> str:
        return f"AwsSecretsManagerCredentials({self.secret_id!r}, region={self.region!r})"

    async def __call__(self) -> ApiKeyCredentials:
        if (fresh := self._memory.fresh()) is not None:
            return fresh
        answer = await self._within(self._read())
        if isinstance(answer, ScopeError):
            raise with_manager(answer, self._name)
        self._memory.put(answer)
        return answer.credentials

    def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
        """Forget these very credentials, which the auth API refused; `AWSPENDING` is tried next."""
        self._memory.refuse(credentials)
        self._refused |= {credentials}

    async def store(self, credentials: ApiKeyCredentials, /) -> None:
        """Put these credentials into a new version of the secret, and make that the current one.

        The version is written as `AWSPENDING`; then `AWSCURRENT` is moved to it from the version that
        was read. The secret itself has to exist. Its other values stay.

        Raises:
            ConflictError: the secret was changed meanwhile, or a rotation is under way; the current
                version is as the other writer left it.
            ConfigurationError: the secret cannot be written, or a value cannot be; nothing was written.
            ConnectionError, TimeoutError, ServerError, RateLimitError: no certain answer.
        """
        failure = await self._within(run_in_thread(lambda: self._write(credentials)))
        if failure is not None:
            raise with_manager(failure, self._name)
        self._memory.forget()

    @property
    def _name(self) -> str:
        return f"AWS secret {self.secret_id!r}"

    async def _within(self, call: Awaitable[Result]) -> Result | ScopeError:
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except builtins.TimeoutError:
            return TimeoutError(f"no answer from AWS within {self._timeout:g} s")

    def _read_answer(self) -> Answer | ScopeError:
        """Return what the secret holds: current or, while that is refused, pending. Blocks."""
        asked_at = self._clock.monotonic()
        current = self._read_stage(CURRENT, asked_at)
        if isinstance(current, AwsFailure):
            return current.error
        refused = self._refused
        if current.credentials not in refused:
            self._refused = frozenset()
            return current
        pending = self._read_stage(PENDING, asked_at)
        if isinstance(pending, AwsFailure) or pending.credentials in refused:
            return current
        return pending

    def _read_stage(self, stage: str, asked_at: float) -> Answer | AwsFailure:
        version = self._api.read(stage)
        if isinstance(version, AwsFailure):
            return version
        known = self._memory.known(version.id)
        found = known or _decode(version)
        return (
            AwsFailure(found)
            if isinstance(found, ConfigurationError)
            else Answer(found, version.id, asked_at)
        )

    def _write(self, credentials: ApiKeyCredentials) -> ScopeError | None:
        """Write a new version and make it the current one; return the error to raise. Blocks."""
        stages = self._api.stages()
        if isinstance(stages, AwsFailure):
            return stages.error
        if stages.get(PENDING, stages.get(CURRENT)) != stages.get(CURRENT):
            return ConflictError(
                "a rotation is under way (AWSPENDING is another version); nothing was written"
            )
        if CURRENT not in stages:
            return ConfigurationError("it has no value yet; give it a first one, `{}` for example")
        before = self._api.read()
        if isinstance(before, AwsFailure):
            return before.error
        document = parse_object(before.text)
        if isinstance(document, ConfigurationError):
            return document
        text = format_object(replace_credentials(document, credentials), like=before.text)
        if isinstance(text, ConfigurationError):
            return text
        version = self._api.put_pending(text, token=str(uuid4()))
        if isinstance(version, AwsFailure):
            return version.error
        failure = self._api.move_stage(CURRENT, out_of=before.id, into=version)
        # Left on a version that is not current, it would stop every later rotation.
        self._api.move_stage(PENDING, out_of=version)
        if failure is None or failure.code != STAGE_MOVED:
            return None if failure is None else failure.error
        after = self._api.stages()
        # Moved by ourselves, when the answer to a first attempt was lost.
        moved = not isinstance(after, AwsFailure) and after.get(CURRENT) == version
        return None if moved else ConflictError(_CONFLICT)


def _decode(version: SecretVersion) -> ApiKeyCredentials | ConfigurationError:
    document = parse_object(version.text)
    return document if isinstance(document, ConfigurationError) else read_credentials(document)


def _region_of(secret_id: str) -> str | None:
    """Return the region in an ARN, None for a name: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""
    parts = secret_id.split(":")
    return parts[3] or None if len(parts) > 6 and parts[0] == "arn" else None  # noqa: PLR2004 - fields of an ARN

"""The calls to AWS Secrets Manager, and what botocore raises as the package's errors; blocking.

Failures are returned, not raised: the frames below hold secrets, which collectors of tracebacks show.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

import attrs

from scope_async.errors import (
    ConfigurationError,
    ConnectionError,
    RateLimitError,
    ScopeError,
    ServerError,
    TimeoutError,
)
from scope_async.secrets.failures import import_extra, scrub_reply

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"

ABSENT = "ResourceNotFoundException"
STAGE_MOVED = "InvalidParameterException"
"""The code when a stage is not attached to the version that it was to be taken from."""

_ADVICE = {
    ABSENT: "check its name or ARN, the account and the region",
    "AccessDeniedException": "allow it in this identity's IAM policy, and in the policy of the secret's key",
    "DecryptionFailure": "allow kms:Decrypt on the secret's key",
    "EncryptionFailure": "allow kms:GenerateDataKey on the secret's key",
    "ExpiredTokenException": "renew the AWS credentials",
    "UnrecognizedClientException": "the AWS credentials are wrong, or of another partition",
    "InvalidSignatureException": "the AWS secret access key or this machine's clock is wrong",
    "InvalidRequestException": "it may be marked for deletion; restore it",
}
_IDENTITY = frozenset({"ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"})
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
_NO_REGION = frozenset({"NoRegionError", "InvalidRegionError"})
_NO_ANSWER = frozenset({"ReadTimeoutError", "ConnectTimeoutError"})
_UNREACHABLE = frozenset(
    {
        "EndpointConnectionError",
        "ConnectionClosedError",
        "HTTPClientError",
        "SSLError",
        "ProxyConnectionError",
    }
)


@attrs.frozen
class SecretVersion:
    """One version of a secret: its id and its text."""

    id: str
    text: str = attrs.field(repr=False)


@attrs.frozen
class AwsFailure:
    """The error to raise, and AWS's own code for it, or botocore's class."""

    error: ScopeError
    code: str = ""


class SecretsManagerApi:
    """Speaks to Secrets Manager about one secret; blocking, usable from any thread.

    The client is made at the first call, since botocore reads files then, and anew after a fork and
    where AWS does not accept our identity, which may have been replaced on disk.
    """

    def __init__(self, secret_id: str, *, region: str | None, timeout: float) -> None:
        self._secret_id = secret_id
        self._region = region
        self._timeout = timeout
        self._client: Any = None
        self._process = 0

    def read(self, stage: str = CURRENT) -> SecretVersion | AwsFailure:
        """Return the version that has the stage."""
        reply = self._call("get_secret_value", VersionStage=stage)
        if isinstance(reply, AwsFailure):
            return reply
        text = reply.get("SecretString")
        if text is None:
            return AwsFailure(ConfigurationError("it is binary; store a JSON object as its SecretString"))
        return SecretVersion(reply["VersionId"], text)

    def stages(self) -> dict[str, str] | AwsFailure:
        """Return the id of the version that each stage is attached to."""
        reply = self._call("describe_secret")
        if isinstance(reply, AwsFailure):
            return reply
        versions: dict[str, list[str]] = reply.get("VersionIdsToStages") or {}
        return {stage: version for version, stages in versions.items() for stage in stages}

    def put_pending(self, text: str, *, token: str) -> str | AwsFailure:
        """Store `text` as a new version with `AWSPENDING`, once for each `token`, and return its id."""
        reply = self._call(
            "put_secret_value", SecretString=text, ClientRequestToken=token, VersionStages=[PENDING]
        )
        return reply if isinstance(reply, AwsFailure) else str(reply["VersionId"])

    def move_stage(self, stage: str, *, out_of: str, into: str | None = None) -> AwsFailure | None:
        """Take a stage from the version that has it, and give it to another; return the failure, if any."""
        target = {} if into is None else {"MoveToVersionId": into}
        reply = self._call(
            "update_secret_version_stage", VersionStage=stage, RemoveFromVersionId=out_of, **target
        )
        return reply if isinstance(reply, AwsFailure) else None

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            if self._client is None or self._process != os.getpid():
                self._client, self._process = self._open(), os.getpid()
            return getattr(self._client, operation)(SecretId=self._secret_id, **parameters)
        except ConfigurationError as error:
            return AwsFailure(error)
        except Exception as error:  # noqa: BLE001 - botocore's, urllib3's and those of credential plugins
            failure = read_failure(error, operation)
        if failure.code in _IDENTITY | _NO_CREDENTIALS:
            self._client = None
        return failure

    def _open(self) -> Any:
        session = import_extra("botocore.session", "aws").get_session()
        config = import_extra("botocore.config", "aws").Config(
            connect_timeout=self._timeout / 2,
            read_timeout=self._timeout / 2,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        return session.create_client("secretsmanager", region_name=self._region, config=config)


def read_failure(error: Exception, operation: str) -> AwsFailure:
    """Return the package's error for what botocore raised: what AWS said, and what to do."""
    kind = type(error).__name__
    reply = getattr(error, "response", None)
    if not isinstance(reply, dict) or "Error" not in reply:
        return AwsFailure(_unanswered(error, kind), kind)
    code = str(reply["Error"].get("Code") or kind)
    status = reply.get("ResponseMetadata", {}).get("HTTPStatusCode")
    said = f"{operation} was answered with {code}: {scrub_reply(str(reply['Error'].get('Message') or ''))}"
    if code in _THROTTLED:
        return AwsFailure(RateLimitError(said, http_status=status, error_code=code), code)
    if isinstance(status, int) and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return AwsFailure(ServerError(said, http_status=status, error_code=code), code)
    advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
    return AwsFailure(ConfigurationError(f"{said}{advice}"), code)


def _unanswered(error: Exception, kind: str) -> ScopeError:
    if kind in _NO_CREDENTIALS:
        return ConfigurationError(
            f"botocore found no AWS credentials ({kind}); run `aws configure`, or give this machine a role"
        )
    if kind in _NO_REGION:
        return ConfigurationError("no AWS region; set AWS_REGION or give `region`")
    if kind in _NO_ANSWER:
        return TimeoutError("no answer from AWS in time")
    if kind in _UNREACHABLE:
        return ConnectionError(
            f"AWS cannot be reached ({kind}); check the network, the region and AWS_ENDPOINT_URL"
        )
    if isinstance(error, ValueError):
        return ConfigurationError(
            f"botocore takes no such configuration ({kind}); is AWS_ENDPOINT_URL a URL?"
        )
    return ConfigurationError(f"botocore failed with {kind}; check its configuration")

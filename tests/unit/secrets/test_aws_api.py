from __future__ import annotations

import pytest

from scope_async.errors import ConfigurationError, ConnectionError, RateLimitError, ServerError, TimeoutError
from scope_async.secrets.aws_api import read_failure


def answered(code: str, status: int) -> Exception:
    error = RuntimeError()
    error.response = {
        "Error": {"Code": code, "Message": "two\nlines"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return error


@pytest.mark.parametrize(
    ("code", "status", "kind", "said"),
    [
        ("ResourceNotFoundException", 400, ConfigurationError, "check its name or ARN"),
        ("AccessDeniedException", 400, ConfigurationError, "IAM policy"),
        ("DecryptionFailure", 400, ConfigurationError, "kms:Decrypt"),
        ("SomethingNewException", 400, ConfigurationError, "SomethingNewException: two lines"),
        ("ThrottlingException", 400, RateLimitError, "ThrottlingException"),
        ("InternalServiceError", 500, ServerError, "InternalServiceError"),
    ],
)
def test_error_of_aws_says_what_to_do(code, status, kind, said) -> None:
    failure = read_failure(answered(code, status), "get_secret_value")
    assert type(failure.error) is kind
    assert said in str(failure.error)
    assert failure.code == code


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("NoCredentialsError", ConfigurationError, "aws configure"),
        ("NoRegionError", ConfigurationError, "AWS_REGION"),
        ("ReadTimeoutError", TimeoutError, "no answer from AWS"),
        ("EndpointConnectionError", ConnectionError, "cannot be reached"),
        ("Unheard", ConfigurationError, "botocore failed with Unheard"),
    ],
)
def test_error_of_botocore_is_raised_without_its_words(name, kind, said) -> None:
    failure = read_failure(type(name, (Exception,), {})("hunter2"), "get_secret_value")
    assert type(failure.error) is kind
    assert said in str(failure.error)
    assert "hunter2" not in str(failure.error)

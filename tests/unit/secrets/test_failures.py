from __future__ import annotations

import pytest

from scope_async.errors import ConfigurationError, RateLimitError, TimeoutError
from scope_async.secrets.failures import scrub_reply, with_manager

TOKEN = "hvs.a-token/with+signs"


@pytest.mark.parametrize("echo", [TOKEN, "hvs.a-token%2Fwith%2Bsigns", r"hvs.a-token\u002fwith+signs"])
def test_scrub_reply_hides_a_secret_however_it_is_spelled(echo) -> None:
    shown = scrub_reply(f"permission denied for {echo}\n", secrets=[TOKEN])
    assert "[secret]" in shown
    assert not any(part in shown for part in ("hvs", "token", "with", "signs"))


def test_scrub_reply_is_one_printable_line_of_300_characters() -> None:
    text = scrub_reply("\x1b[31m" + "x" * 400)
    assert text.isprintable()
    assert len(text) <= 300


def test_with_manager_keeps_the_class_and_the_facts_of_an_error() -> None:
    error = with_manager(RateLimitError("slow down", http_status=429, retry_after=7.0), "Vault")
    assert type(error) is RateLimitError
    assert (error.message, error.http_status, error.retry_after) == ("Vault: slow down", 429, 7.0)


@pytest.mark.parametrize("kind", [ConfigurationError, TimeoutError])
def test_with_manager_keeps_the_class_of_an_error_without_facts(kind) -> None:
    error = with_manager(kind("no answer"), "Vault")
    assert type(error) is kind
    assert str(error) == "Vault: no answer"

"""Faults as text and JSON, and the requests that they apply to."""

from __future__ import annotations

import pytest

from scope_async.errors import ValidationError
from scope_async.local.faults.spec import LOGIN, OVERSIZED, SDK_TOKEN, Fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("exchange:latency=1.5", Fault("exchange", "latency", 1.5)),
        ("any:latency=0.1-0.3", Fault("any", "latency", (0.1, 0.3))),
        (
            "prompt:status=503,retry_after=2,times=5",
            Fault("prompt", "status", 503, retry_after="2", times=5),
        ),
        (
            "keys:drop=middle,probability=0.1,seed=7,lasting=60",
            Fault("keys", "drop", "middle", probability=0.1, seed=7, lasting=60),
        ),
        ("prompt:hang", Fault("prompt", "hang")),
        ("prompt:oversized", Fault("prompt", "oversized", OVERSIZED)),
        ("exchange:expires_in=none", Fault("exchange", "expires_in")),
        ("exchange:dialect=sdk-token", Fault("exchange", "dialect", "sdk-token")),
    ],
)
def test_fault_is_the_same_as_text_and_as_json(text, fault):
    assert Fault.parse(text) == fault
    assert Fault.from_document(fault.document()) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prompt",
        "prompt:",
        "prompt:explode",
        "prompts:hang",
        "prompt:status",
        "prompt:status=abc",
        "prompt:status=99",
        "prompt:status=200.5",
        "prompt:latency",
        "prompt:latency=-1",
        "prompt:latency=3-1",
        "prompt:latency=nan",
        "prompt:hang=1",
        "prompt:drop=after",
        "prompt:malformed=xml",
        "prompt:oversized=0",
        "prompt:status=503,times=0",
        "prompt:status=503,probability=2",
        "prompt:status=503,often=1",
        "prompt:expired_token",
        "keys:same_token",
        "exchange:dialect=oauth",
    ],
)
def test_invalid_fault_is_quoted_in_the_error(text):
    with pytest.raises(ValidationError) as refused:
        Fault.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("prompt:hang", {"prompt"}),
        ("exchange:status=503", {"exchange"}),
        ("any:status=503", {"exchange", "prompt", "keys"}),
        ("any:expired_token", {"exchange"}),
    ],
)
def test_fault_matches_its_operation(text, operations):
    everything = ("exchange", "prompt", "keys", "health", "control", "page", "unknown")
    fault = Fault.parse(text)
    assert {operation for operation in everything if fault.matches(operation, "/")} == operations


def test_dialect_fault_matches_the_path_of_its_dialect():
    fault = Fault.parse("exchange:dialect=login")
    assert fault.matches("exchange", LOGIN)
    assert not fault.matches("exchange", SDK_TOKEN)


def test_fault_document_leaves_defaults_out():
    fault = Fault.parse("prompt:status=503,times=2")
    assert fault.document() == {"operation": "prompt", "kind": "status", "value": 503, "times": 2}


def test_fault_with_an_unknown_field_names_it_in_one_printable_line():
    with pytest.raises(ValidationError, match=r"unknown 'of\\n\\u202eten'") as caught:
        Fault.from_document({"kind": "hang", "of\n\u202eten": 1})
    assert str(caught.value).isprintable()


def test_fault_with_an_unknown_field_names_it():
    with pytest.raises(ValidationError, match="unknown 'often'"):
        Fault.from_document({"operation": "prompt", "kind": "hang", "often": 1})

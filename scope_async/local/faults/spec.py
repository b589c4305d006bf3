"""One fault, as data: which requests it hits, what happens and for how long."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, cast

import attrs
from attrs import field, frozen

from scope_async.errors import ValidationError

LOGIN = "/v1/auth/applications/login"
SDK_TOKEN = "/v1/auth/sdk-token"  # noqa: S105 - a path
DIALECTS = {"login": LOGIN, "sdk-token": SDK_TOKEN}

Target = Literal["exchange", "prompt", "keys", "any"]
Stage = Literal["delay", "instead", "token", "reply"]
Value = float | tuple[float, float] | str | None

TARGETS = ("exchange", "prompt", "keys", "any")
BODIES = ("html", "empty", "list", "missing", "error", "truncated", "binary")
OVERSIZED = 11 * 1024 * 1024
"""Bytes: one MiB above the limit of the client."""


class FaultLimits(TypedDict, total=False):
    """Limits of a fault; without any, it stays until it is removed.

    `times`: for that many requests. `lasting`: for that many seconds of Local Scope's clock.
    `probability`: of each request, from 0 to 1; `seed` makes the draws repeatable.
    """

    times: int | None
    lasting: float | None
    probability: float
    seed: int | None


def _number(text: object, *, least: float = 0.0) -> float:
    try:
        number = float(text)  # type: ignore[arg-type] # the except handles it
    except (TypeError, ValueError, OverflowError) as error:
        raise ValidationError(f"a number was expected, got {text!r}") from error
    if isinstance(text, bool) or not math.isfinite(number) or number < least:
        raise ValidationError(f"a number of at least {least:g} was expected, got {text!r}")
    return int(number) if number.is_integer() else number


def _status(value: object) -> float:
    number = _number(value, least=200)
    if number not in range(200, 600):
        raise ValidationError(f"a status is from 200 to 599, got {value!r}")
    return number


def _latency(value: object) -> Value:
    ends = value.split("-") if isinstance(value, str) and "-" in value.strip() else value
    if not isinstance(ends, list | tuple):
        return _number(ends)
    numbers = [_number(end) for end in cast("list[object]", ends)]
    if len(numbers) != 2 or numbers[0] > numbers[1]:  # noqa: PLR2004 - from and to
        raise ValidationError(f"latency is a number of seconds or a range of them, got {value!r}")
    return numbers[0], numbers[1]


def _one_of(*allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in allowed:
            raise ValidationError(f"one of {', '.join(allowed)} was expected, got {value!r}")
        return str(value)

    return read


def _nothing(value: object) -> None:
    if value is not None:
        raise ValidationError(f"this fault takes no value, got {value!r}")


def _size(value: object) -> float:
    return OVERSIZED if value is None else int(_number(value, least=1))


def _expires_in(value: object) -> Value:
    return None if value in (None, "none", "null", "") else _number(value, least=-math.inf)


@frozen
class _Kind:
    stage: Stage
    read: Callable[[object], Value]


KINDS: Mapping[str, _Kind] = {
    "latency": _Kind("delay", _latency),
    "status": _Kind("instead", _status),
    "dialect": _Kind("instead", _one_of(*DIALECTS)),
    "reset": _Kind("instead", _nothing),
    "hang": _Kind("instead", _nothing),
    "same_token": _Kind("token", _nothing),
    "expired_token": _Kind("token", _nothing),
    "expires_in": _Kind("token", _expires_in),
    "drop": _Kind("reply", _one_of("before", "middle")),
    "malformed": _Kind("reply", _one_of(*BODIES)),
    "oversized": _Kind("reply", _size),
}


@frozen
class Fault:
    """One fault; its fields are checked and normalized.

    Raises:
        ValidationError: a field is invalid; the message says what was expected.
    """

    operation: Target
    kind: str
    value: Value = None
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str])
    times: int | None = None
    lasting: float | None = None
    probability: float = 1.0
    seed: int | None = None

    def __attrs_post_init__(self) -> None:
        _one_of(*TARGETS)(self.operation)
        _one_of(*KINDS)(self.kind)
        read: dict[str, Any] = {"value": KINDS[self.kind].read(self.value)}
        if self.stage == "token" and self.operation not in ("exchange", "any"):
            raise ValidationError(f"{self.kind}: only an exchange returns tokens")
        if self.times is not None:
            read["times"] = int(_number(self.times, least=1))
        if self.lasting is not None:
            read["lasting"] = _number(self.lasting)
        if self.seed is not None:
            read["seed"] = int(_number(self.seed))
        read["probability"] = _number(self.probability)
        if read["probability"] > 1:
            raise ValidationError(f"a probability is from 0 to 1, got {self.probability!r}")
        for name, value in read.items():
            object.__setattr__(self, name, value)

    @property
    def stage(self) -> Stage:
        return KINDS[self.kind].stage

    def matches(self, operation: str, path: str) -> bool:
        """Return True if the fault applies to requests of this operation at this path."""
        if self.kind == "dialect":
            return path == DIALECTS[str(self.value)]
        if self.operation == "any":
            # Only an exchange returns a token.
            return operation in (("exchange",) if self.stage == "token" else TARGETS[:-1])
        return operation == self.operation

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault in `operation:kind[=value][,name=value...]`.

        An example: `prompt:status=503,retry_after=2,times=5`. Latency is in seconds, a number or
        a range: `any:latency=0.1-0.3`.

        Raises:
            ValidationError: the text is invalid; the message quotes it.
        """
        operation, _, rest = text.partition(":")
        pairs = [part.strip().partition("=") for part in rest.split(",")]
        kind, _, value = pairs[0]
        return cls.from_document(
            {"operation": operation.strip(), "kind": kind, "value": value or None}
            | {name: given for name, _, given in pairs[1:]},
            quoted=text,
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, quoted: object = None) -> Fault:
        """Return the fault in a JSON object that has the fields of this class.

        Raises:
            ValidationError: a field is invalid; the message quotes `quoted` or the document.
        """
        names = {attribute.name for attribute in attrs.fields(cls)}
        quoted = document if quoted is None else quoted
        if unknown := sorted(set(document) - names):
            raise ValidationError(f"fault {quoted!r}: unknown {', '.join(map(ascii, unknown))}")
        try:
            fields: dict[str, Any] = {"operation": "any", "kind": "", **document}
            return cls(**fields)
        except ValidationError as error:
            raise ValidationError(f"fault {quoted!r}: {error}") from error

    def document(self) -> dict[str, Any]:
        """Return the fault as a JSON object without the fields that have their default."""
        default = {attribute.name: attribute.default for attribute in attrs.fields(Fault)}
        written = attrs.asdict(self)
        return {name: value for name, value in written.items() if value != default[name] and value != {}}

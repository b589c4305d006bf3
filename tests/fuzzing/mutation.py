"""Inputs made of others by chance, where no coverage leads the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

_PIECES = (
    *(bytes([byte]) for byte in b"\0\t\n\r\x1b\"'{}[]:,\\%&<>=#-.0189aZ_ "),
    *(
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        "\u202e\u00e9\u2028".encode(),
        b"\\ud800",
        b"\\u0000",
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"1e999",
        b"-1",
        b"9" * 400,
        b"[" * 300,
        b'{"a":' * 300,
        b"---\n",
        b"{{",
        b"}}",
    ),
)
_MOST_CHANGES = 6


def mutations(seeds: Sequence[bytes], random: Random) -> Iterator[bytes]:
    """Return inputs without end: each is a seed with a few pieces put in, taken out, doubled or swapped."""
    while True:
        data = random.choice(seeds)
        for _ in range(random.randint(1, _MOST_CHANGES)):
            data = _changed(data, random.choice(seeds), random)
        yield data


def _changed(data: bytes, other: bytes, random: Random) -> bytes:
    begin = random.randint(0, len(data))
    end = min(len(data), begin + random.choice((0, 0, 1, 2, 8, 64)))
    match random.randrange(4):
        case 0:
            middle = random.choice(_PIECES)
        case 1:
            middle = random.randbytes(random.randint(0, 4))
        case 2:
            middle = data[begin:end] * 2
        case _:
            place = random.randint(0, len(other))
            middle = other[place : place + random.randint(0, 32)]
    return data[:begin] + middle + data[end:]

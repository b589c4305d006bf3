"""What aioresponses 0.7.9 needs in order to work with aiohttp 3.14; delete when it does by itself.

`ClientResponse` has a new required argument there (aioresponses issue 289), and a body larger
than a stream's limit asks for a transport to pause, which no mocked reply has.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock, patch

import aiohttp
from aioresponses import aioresponses

_NEEDS_STREAM_WRITER = "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters


class _ClientResponse(aiohttp.ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _NEEDS_STREAM_WRITER:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


def _stream_reader(loop: Any = None) -> aiohttp.StreamReader:
    return aiohttp.StreamReader(Mock(_reading_paused=False), 2**30, loop=loop)


@contextmanager
def mocked_service() -> Iterator[aioresponses]:
    """Answer all requests of aiohttp from what the test adds; nothing reaches the network."""
    with (
        patch("aioresponses.core.ClientResponse", _ClientResponse),
        patch("aioresponses.core.stream_reader_factory", _stream_reader),
        aioresponses() as service,
    ):
        yield service

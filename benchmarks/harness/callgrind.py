"""Counts the instructions of a block of this process alone, when it runs under valgrind's callgrind.

Valgrind recognises a few machine instructions that do nothing otherwise (its manual, "The Client Request
mechanism"); Python has none of them, so they are put into memory of their own. Without valgrind, or on
another processor than x86-64, nothing happens.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_REQUESTS = 0x43540000  # the letters C and T, callgrind's
_START, _STOP = _REQUESTS + 4, _REQUESTS + 5

# mov rax, rdi; xor edx, edx; rol rdi by 3, 13, 61 and 51; xchg rbx, rbx; mov rax, rdx; ret
_CODE = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")

_memory: mmap.mmap | None = None
if platform.machine() in ("x86_64", "AMD64"):
    _memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    _memory.write(_CODE)


def is_supported() -> bool:
    """Return True if a block can be counted on this processor."""
    return _memory is not None


@contextmanager
def counted() -> Iterator[None]:
    """Count the instructions of this block; run it with `--instr-atstart=no`."""
    _request(_START)
    try:
        yield
    finally:
        _request(_STOP)


def _request(number: int) -> None:
    if _memory is None:
        return
    address = ctypes.addressof(ctypes.c_char.from_buffer(_memory))
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64))(address)
    call((ctypes.c_uint64 * 6)(number))

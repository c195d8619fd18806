"""Giving memory back: the C library keeps what was freed after a burst, unless it is asked."""

from __future__ import annotations

import ctypes


def give_back_memory() -> None:
    """Return freed memory to the system. Takes some milliseconds; does nothing without glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

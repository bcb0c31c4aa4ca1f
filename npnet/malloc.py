"""How the C library keeps the memory that arrays have freed.

A training step frees what it allocated, and the next one allocates the same again.  By default glibc hands
freed memory at the end of its heap back to the system, and large pieces at once; the next step then has each
page, of 4 KiB, mapped and cleared anew, which takes as long as several passes of arithmetic over it.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of ``malloc.h``."""

MOST_KEPT = 1 << 30
"""Bytes at the end of the heap that are not handed back."""

LARGEST = 1 << 25
"""Bytes of the largest piece that lies in the heap; glibc takes no more."""


def keep_memory() -> bool:
    """Let this process keep up to 1 GiB of freed memory, for arrays of up to 32 MiB each.

    It holds for the whole process, whichever library allocates, and cannot be undone; so it is left to the
    program, not done on import.  The command line of npnet does it.

    Returns
    -------
    bool
        Whether the C library did it; False where it is not glibc, and there is nothing to gain.

    Examples
    --------
    >>> from npnet import backend
    >>> backend.keep_memory() in (True, False)
    True

    References
    ----------
    ``mallopt(3)``, *Linux Programmer's Manual*: ``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD``.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, MOST_KEPT))

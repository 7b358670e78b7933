"""Memory that was freed stays with the process: asking for it again took half of a large batch's time."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # the library takes no more


def keep_freed_memory(kept_bytes: int = 64 * 2**20) -> bool:
    """Let the C library keep freed memory for the next batch instead of handing it back to the system.

    numpy takes arrays of some megabytes for every batch and frees them after it. By default the GNU C library
    returns them at once, and the system clears every page before it gives them out anew.

    Args:
        kept_bytes: How much freed memory may stay, beside what is in use.

    Returns:
        Whether the C library has such a setting; nothing changes where it has none.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    except (OSError, AttributeError, TypeError):  # another C library, or an operating system without one
        return False
    keeps_top = bool(mallopt(_TRIM_THRESHOLD, kept_bytes))
    keeps_arrays = bool(mallopt(_MMAP_THRESHOLD, min(kept_bytes, _LARGEST_MMAP_THRESHOLD)))
    return keeps_top and keeps_arrays

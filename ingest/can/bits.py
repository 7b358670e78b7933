"""Bits of many CAN frames at once: raw values of one signal out of a byte matrix.

Bit numbering is the DBC's: bit ``8 * byte + bit`` with bit 7 the most significant. A little-endian signal
starts at its least significant bit and grows upwards; a big-endian one starts at its most significant bit and
runs down each byte and on into the next.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import FloatArray, IntArray

Words = npt.NDArray[np.uint64]


class FrameBits:
    """Frames of one message, shape (n, width) with a width of at least 8 bytes; windows are read once."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        self._data = np.ascontiguousarray(data)
        self._windows: dict[tuple[int, bool], Words] = {}

    def unsigned(self, start: int, length: int, *, is_big_endian: bool) -> Words:
        """Return a signal's bits as unsigned integers, shape (n,).

        Args:
            start: DBC start bit.
            length: Bits, 1 to 64.
            is_big_endian: Motorola byte order.
        """
        width = self._data.shape[1]
        first = 8 * (start // 8) + 7 - start % 8 if is_big_endian else start
        byte = min(first // 8, width - 8)
        offset = first - 8 * byte
        mask = np.uint64((1 << length) - 1)
        if offset + length <= 64:
            shift = 64 - offset - length if is_big_endian else offset
            return (self._window(byte, is_big_endian) >> np.uint64(shift)) & mask
        beyond = offset + length - 64  # bits in the ninth byte, 1 to 7
        window = self._window(byte, is_big_endian)
        ninth = self._data[:, byte + 8].astype(np.uint64)
        if is_big_endian:
            return ((window << np.uint64(beyond)) | (ninth >> np.uint64(8 - beyond))) & mask
        return ((window >> np.uint64(offset)) | (ninth << np.uint64(64 - offset))) & mask

    def _window(self, byte: int, is_big_endian: bool) -> Words:
        key = (byte, is_big_endian)
        if key not in self._windows:
            part = np.ascontiguousarray(self._data[:, byte : byte + 8])
            self._windows[key] = part.view(">u8" if is_big_endian else "<u8")[:, 0].astype(np.uint64)
        return self._windows[key]


def bytes_needed(start: int, length: int, *, is_big_endian: bool) -> int:
    """Return how long a frame must be to hold the signal."""
    first = 8 * (start // 8) + 7 - start % 8 if is_big_endian else start
    return (first + length - 1) // 8 + 1


def to_signed(raw: Words, length: int) -> IntArray:
    """Return two's-complement values of ``length`` bits."""
    sign = np.uint64(1 << (length - 1))
    return ((raw ^ sign) - sign).view(np.int64) if length < 64 else raw.view(np.int64)


def to_float(raw: Words, length: int) -> FloatArray:
    """Return IEEE 754 values of 16, 32 or 64 bits."""
    unsigned, floating = {
        16: (np.uint16, np.float16),
        32: (np.uint32, np.float32),
        64: (np.uint64, np.float64),
    }[length]
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return raw.astype(unsigned).view(floating).astype(np.float64)

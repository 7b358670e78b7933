"""Tags of CBOR: typed arrays (RFC 8746), numbers as a vehicle's memory holds them; and what is refused."""

from __future__ import annotations

from typing import Any

import cbor2
import numpy as np

#: Tag -> type (RFC 8746 §2.1); 128-bit floats have no counterpart here.
_TYPES = {
    64: "u1", 65: ">u2", 66: ">u4", 67: ">u8", 68: "u1", 69: "<u2", 70: "<u4", 71: "<u8",
    72: "i1", 73: ">i2", 74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8",
    80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4", 86: "<f8",
}  # fmt: skip
_ROW_MAJOR, _COLUMN_MAJOR = 40, 1040  # RFC 8746 §3.1
#: Tags that refer to values told before (http://cbor.schmorp.de/stringref and http://cbor.schmorp.de/value-sharing).
_SHARING = (25, 256, 28, 29)


def _refuse_sharing(*_: Any) -> Any:
    raise ValueError("values told before must not be referred to (tags 25, 28, 29 and 256)")


#: For ``semantic_decoders`` of ``cbor2.load``: with references, some kilobytes grow to gigabytes.
UNSHARED = dict.fromkeys(_SHARING, _refuse_sharing)


def read_tag(*given: Any) -> Any:
    """Return the array that a tag holds, shape (n,) or as the tag says; any other tag as it came.

    For ``tag_hook`` of ``cbor2.loads``, whose versions give the tag in different places.

    Raises:
        ValueError: The bytes are not a whole number of elements, or do not fill the dimensions.
    """
    tag = next(value for value in given if isinstance(value, cbor2.CBORTag))
    if tag.tag in _TYPES and isinstance(tag.value, bytes):
        return np.frombuffer(tag.value, _TYPES[tag.tag])
    if tag.tag in (_ROW_MAJOR, _COLUMN_MAJOR) and isinstance(tag.value, list | tuple) and len(tag.value) == 2:
        shape, values = tag.value
        if isinstance(values, np.ndarray) and all(type(n) is int and n >= 0 for n in shape):
            return values.reshape(tuple(shape), order="C" if tag.tag == _ROW_MAJOR else "F")
    return tag

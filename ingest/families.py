"""Rows of one family as a batch stores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import FamilyRows, IntArray, Origin
from ingest.copy import CopyRows

ORIGINS = tuple(Origin)


@dataclass(frozen=True, slots=True)
class Packed:
    """A family's rows as the database takes them."""

    rows: CopyRows
    newest: Mapping[str, Any]  #: values of ``merge_latest``


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyBatch:
    """Rows of one family, unique by key and sorted by vehicle, then time."""

    rows: FamilyRows
    origin: npt.NDArray[np.int8]  #: shape (n,), index into ``ORIGINS``
    widths: Mapping[str, IntArray] = field(default_factory=dict)  #: array alias -> (n,), elements of each row
    names: npt.NDArray[np.str_] | None = None  #: shape (n,), signal family
    packed: Packed | None = None  #: made beforehand, while the batch before is written

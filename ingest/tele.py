"""The columns of all ``tele`` messages of a batch at once: no array per message, no loop over samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue, Signal
from data.records import Family, FloatArray, IntArray
from ingest import native
from ingest.cbor_layout import build_layout
from ingest.errors import PayloadError
from ingest.messages import Message, Model, Part, Tele

#: First bytes of the columns that tell one layout from another: head, first key; no value yet.
_KEY_BYTES = 6


@dataclass(slots=True)
class Stacked:
    """What the ``tele`` messages of a batch come to."""

    parts: list[tuple[Part, IntArray]] = field(default_factory=list)  #: samples, message index of each
    masked: dict[int, dict[str, int]] = field(
        default_factory=dict
    )  #: message index -> ``what:reason`` -> count
    bad: dict[int, PayloadError] = field(default_factory=dict)  #: message index -> why it is left out


def stack_tele(messages: Sequence[Message], catalogue: Catalogue) -> Stacked:
    """Return the samples of all ``tele`` messages, those of the same aliases and vehicle model together.

    Args:
        messages: In arrival order; those without ``tele`` are passed over.
        catalogue: Gives family and shape of each alias; an unknown alias is masked and counted.
    """
    result = Stacked()
    packed: dict[tuple[str, int, bytes], list[int]] = {}
    plain: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    teles: dict[int, Tele] = {}
    for i, message in enumerate(messages):
        tele = message.tele
        if tele is None:
            continue
        teles[i] = tele
        model = message.vehicle.model.model_id
        if tele.packed_at:
            at = tele.packed_at
            key = (model, len(tele.payload) - at, tele.payload[at : at + _KEY_BYTES])
            packed.setdefault(key, []).append(i)
        else:
            plain.setdefault((model, tuple(tele.columns)), []).append(i)
    for indices in packed.values():
        for i in _stack_packed(indices, teles, messages, catalogue, result):
            try:
                teles[i] = tele = native.read_columns(teles[i])
            except PayloadError as error:
                result.bad[i] = error.kept()
                continue
            plain.setdefault((messages[i].vehicle.model.model_id, tuple(tele.columns)), []).append(i)
    for (_, aliases), indices in plain.items():
        _stack_lists(aliases, sorted(indices), teles, messages, catalogue, result)
    return result


def _stack_packed(
    indices: list[int],
    teles: dict[int, Tele],
    messages: Sequence[Message],
    catalogue: Catalogue,
    result: Stacked,
) -> list[int]:
    """Stack payloads that seem to have one layout; return those that have another."""
    first = teles[indices[0]]
    layout = build_layout(first.payload[first.packed_at :])
    if layout is None:
        return indices
    columns, is_same = layout.read([teles[i].payload[teles[i].packed_at :] for i in indices])
    is_same &= np.array([len(teles[i].time_ms) for i in indices]) == layout.samples
    model = messages[indices[0]].vehicle.model
    for alias, column in columns.items():
        signal = catalogue.signals.get(alias)
        if signal is not None and column.shape[1:] != (
            (model.width(signal.shape),) if signal.is_array else ()
        ):
            return indices  # read one by one, each with its reason
    if not is_same.all():
        rows = np.repeat(is_same, layout.samples)
        columns = {alias: column[rows] for alias, column in columns.items()}
    same = [i for i, is_good in zip(indices, is_same.tolist(), strict=True) if is_good]
    _add(same, columns, teles, catalogue, result)
    return [i for i, is_good in zip(indices, is_same.tolist(), strict=True) if not is_good]


def _stack_lists(  # noqa: PLR0917 -- one step of the loop above
    aliases: tuple[str, ...],
    indices: list[int],
    teles: dict[int, Tele],
    messages: Sequence[Message],
    catalogue: Catalogue,
    result: Stacked,
) -> None:
    """Stack payloads that have the same aliases and come from one vehicle model."""
    model = messages[indices[0]].vehicle.model
    lengths = [len(teles[i].time_ms) for i in indices]
    has_arrays = any(teles[i].has_arrays for i in indices)
    columns = {}
    for alias in aliases:
        lists = [teles[i].columns[alias] for i in indices]
        column = _join(catalogue.signals.get(alias), lists, lengths, model, has_arrays=has_arrays)
        if column is None:
            _stack_singly(indices, teles, model, catalogue, result)
            return
        columns[alias] = column
    _add(indices, columns, teles, catalogue, result)


def _join(
    signal: Signal | None,
    lists: Sequence[native.Values],
    lengths: list[int],
    model: Model,
    *,
    has_arrays: bool,
) -> npt.NDArray[np.floating] | None:
    """Return one column of many messages; None when one of them is not as it should be, or has gaps."""
    if [len(values) for values in lists] != lengths:
        return None
    if signal is None:
        return np.zeros(0)
    if has_arrays:
        try:
            with np.errstate(invalid="ignore"):  # a signalling NaN is one as good as another
                joined = np.concatenate([np.asarray(values, np.float64) for values in lists])
        except (TypeError, ValueError):
            return None
        wanted = (model.width(signal.shape),) if signal.is_array else ()
        return joined if joined.shape[1:] == wanted else None
    flat: Iterable[object] = chain.from_iterable(lists)
    try:
        if not signal.is_array:
            column = np.array(list(flat), np.float64)
            return column if column.ndim == 1 else None
        rows = list(flat)
        width = model.width(signal.shape)
        if {len(row) for row in rows} != {width}:  # type: ignore[arg-type]  # a gap raises TypeError
            return None
        return np.array(list(chain.from_iterable(rows)), np.float64).reshape(-1, width)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _stack_singly(
    indices: Sequence[int], teles: dict[int, Tele], model: Model, catalogue: Catalogue, result: Stacked
) -> None:
    for i in indices:
        try:
            parts, masked = decode_tele(teles[i], model, catalogue)
        except PayloadError as error:
            result.bad[i] = error.kept()
            continue
        result.parts += [(part, np.full(len(part.time_us), i, np.int64)) for part in parts]
        if masked:
            result.masked[i] = masked


def _add(
    indices: Sequence[int],
    columns: Mapping[str, npt.NDArray[np.floating]],
    teles: dict[int, Tele],
    catalogue: Catalogue,
    result: Stacked,
) -> None:
    if not indices:
        return
    times = [teles[i].time_ms for i in indices]
    time_us = np.array(list(chain.from_iterable(times)), np.int64) * 1000
    owner = np.repeat(np.array(indices, np.int64), [len(t) for t in times])
    families: dict[Family, dict[str, npt.NDArray[np.floating]]] = {}
    for alias, column in columns.items():
        signal = catalogue.signals.get(alias)
        if signal is not None:
            families.setdefault(signal.family, {})[alias] = column
            continue
        for i in indices:
            result.masked.setdefault(i, {})[f"{alias[:40]}:unknown_alias"] = len(teles[i].time_ms)
    result.parts += [(Part(family, time_us, found), owner) for family, found in families.items()]


def decode_tele(tele: Tele, model: Model, catalogue: Catalogue) -> tuple[list[Part], dict[str, int]]:
    """Return the samples of a ``tele`` payload by family, and what was masked.

    Args:
        tele: The payload.
        model: Gives the lengths of per-wheel, per-cell and per-probe arrays.
        catalogue: Gives family and shape of each alias; an unknown alias is masked and counted.

    Returns:
        Parts with columns of shape (n,) or (n, k), NaN missing; counts by ``alias:reason``.

    Raises:
        PayloadError: ``wrong_length``: a column or an array in it has not the number of values it must have;
            ``malformed``: the columns were left for later and are not right.
    """
    if tele.packed_at:
        tele = native.read_columns(tele)
    n = len(tele.time_ms)
    time_us = np.array(tele.time_ms, dtype=np.int64) * 1000
    families: dict[Family, dict[str, npt.NDArray[np.floating]]] = {}
    masked: dict[str, int] = {}
    for alias, values in tele.columns.items():
        if len(values) != n:
            raise PayloadError(
                "wrong_length", f"s[{alias[:40]!r}] has {len(values)} values: must be {n}, as t"
            )
        signal = catalogue.signals.get(alias)
        if signal is None:
            masked[f"{alias[:40]}:unknown_alias"] = n
            continue
        column = _column(signal, values, model)
        families.setdefault(signal.family, {})[alias] = column
    return [Part(family, time_us, columns) for family, columns in families.items()], masked


def _column(signal: Signal, values: native.Values, model: Model) -> FloatArray:
    if not signal.is_array:
        try:
            with np.errstate(invalid="ignore"):
                column = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            column = np.empty((0, 0))
        if column.ndim != 1:
            raise PayloadError("wrong_length", f"s[{signal.alias!r}]: each value must be one number or null")
        return column
    width = model.width(signal.shape)
    try:
        with np.errstate(invalid="ignore"):
            column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        column = np.empty((0,))
    if column.shape == (len(values), width):
        return column
    missing = [None] * width
    for i, value in enumerate(values):
        if value is not None and not isinstance(value, list):
            raise PayloadError("wrong_length", f"s[{signal.alias!r}][{i}] is {value}: must be a list or null")
        if value is not None and len(value) != width:
            raise PayloadError(
                "wrong_length",
                f"s[{signal.alias!r}][{i}] has {len(value)} values: must be {width} ({model.model_id})",
            )
    return np.array([missing if v is None else v for v in values], dtype=np.float64)

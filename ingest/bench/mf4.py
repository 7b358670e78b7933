"""How fast signals come out of an MF4 recording, beside the extraction of asammdf on the same file."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import CatalogueError
from data.records import FloatArray, IntArray
from ingest.can import EXTENDED, CanDecoder

_GRID_US = 1000  # every frame gets a grid cell of its own, so that no value hides another
_UNITS = {
    "seconds": "s from the opened file to all signals",
    "asammdf_seconds": "s from the opened file to all signals",
    "ratio": "asammdf's seconds by ours",
    "ratio_range": "least and greatest ratio of a round",
    "frames_per_s": "frames of the file/s",
}
Pairs = dict[str, set[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class _Signals:
    names: tuple[str, ...]
    signal: IntArray  #: (p,)
    time_s: FloatArray  #: (p,), of the frame
    value: FloatArray  #: (p,)
    frames: int


def bench_mf4(
    mf4_path: Path,
    dbc_path: Path,
    *,
    rounds: int = 5,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Measure reading and decoding an MF4 recording against ``MDF.extract_bus_logging``.

    Both begin with the file opened by asammdf and a database already read, and end with every value of every
    signal in memory. Each round times both in turn, each on a file opened for it, after a first run that does
    not count.

    Args:
        mf4_path: A bus logging (ASAM MDF 4, channel groups ``CAN_DataFrame``).
        dbc_path: The bus database.
        rounds: Times that both are timed, at least 1; figures are medians over them.
        clock_s: A clock that never goes back, seconds.

    Returns:
        ``seconds``, ``asammdf_seconds``, ``ratio``, ``ratio_range``, ``frames_per_s``, ``unit`` of each of
        these; ``frames``, ``values``, ``asammdf_values`` (with what is not finite and J1939's codes for not
        available, which are no values here) and ``equal``: each of our values is asammdf's at its time.

    Raises:
        CatalogueError: asammdf is not installed, a file cannot be read, or the database finds nothing in it.
    """
    try:
        asammdf: Any = importlib.import_module("asammdf")
    except ImportError as error:
        raise CatalogueError("asammdf is not installed: must be, to measure against it") from error
    for path in (mf4_path, dbc_path):
        if not path.is_file():
            raise CatalogueError(f"{path}: is not a file")

    decoder = CanDecoder(
        dbc_path.read_text("utf-8", errors="replace"),
        {},
        grid_s=_GRID_US / 1e6,
        cell_count=0,
        probe_count=0,
        wheel_count=0,
    )
    matrix = asammdf.blocks.utils.load_can_database(dbc_path)

    def extract(mdf: Any) -> Any:
        return mdf.extract_bus_logging({"CAN": [(matrix, 0)]})

    def decode(mdf: Any) -> _Signals:
        return _decode(mdf, decoder)

    def timed(work: Callable[[Any], object]) -> float:
        mdf = asammdf.MDF(mf4_path)
        start_s = clock_s()
        work(mdf)
        return clock_s() - start_s

    try:
        theirs = _pairs_of_extract(extract(asammdf.MDF(mf4_path)))
        ours = decode(asammdf.MDF(mf4_path))
    except asammdf.blocks.utils.MdfException as error:
        raise CatalogueError(f"{mf4_path}: {error}") from error
    if not ours.value.size:
        raise CatalogueError(f"{mf4_path}: {dbc_path} finds no signal in it")
    seconds = [(timed(decode), timed(extract)) for _ in range(rounds)]
    own_s, baseline_s = (median(column) for column in zip(*seconds, strict=True))
    ratios = [baseline / own for own, baseline in seconds]
    return {
        "seconds": own_s,
        "asammdf_seconds": baseline_s,
        "ratio": round(baseline_s / own_s, 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "frames_per_s": round(ours.frames / own_s),
        "unit": dict(_UNITS),
        "equal": all(pairs <= theirs.get(name, set()) for name, pairs in _pairs(ours).items()),
        "frames": ours.frames,
        "values": ours.value.size,
        "asammdf_values": sum(len(pairs) for pairs in theirs.values()),
        "asammdf_version": asammdf.__version__,
        "baseline": "asammdf MDF.extract_bus_logging",
        "rounds": rounds,
    }


def _decode(mdf: Any, decoder: CanDecoder) -> _Signals:
    groups = [_frames(mdf, number) for number, group in enumerate(mdf.groups) if _has_frames(group)]
    if not groups:
        raise CatalogueError(f"{mdf.name}: no CAN_DataFrame in it")
    width = max(data.shape[1] for _, _, _, data in groups)
    time_s, can_id, length = (np.concatenate([group[i] for group in groups]) for i in range(3))
    data = np.zeros((time_s.size, width), dtype=np.uint8)
    end = np.cumsum([group[0].size for group in groups])
    for (_, _, _, part), stop in zip(groups, end.tolist(), strict=True):
        data[stop - len(part) : stop, : part.shape[1]] = part
    frame_time = np.arange(time_s.size, dtype=np.int64) * _GRID_US
    extra = decoder.decode(np.zeros(time_s.size, np.int32), frame_time, can_id, length, data).extra
    return _Signals(extra.names, extra.signal, time_s[extra.time_us // _GRID_US], extra.value, time_s.size)


def _has_frames(group: Any) -> bool:
    return bool(group.channel_group.cycles_nr) and any(c.name == "CAN_DataFrame" for c in group.channels)


def _frames(
    mdf: Any, group: int
) -> tuple[FloatArray, npt.NDArray[np.uint32], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    part = {
        name: mdf.get(f"CAN_DataFrame.{name}", group=group, raw=name != "IDE")  # which may be virtual
        for name in ("ID", "IDE", "DataLength", "DataBytes")
    }
    identifier = part["ID"].samples.astype(np.uint32) & np.uint32(0x1FFF_FFFF)
    is_extended = part["IDE"].samples.astype(np.bool_)
    return (
        part["ID"].timestamps,
        np.where(is_extended, identifier | np.uint32(EXTENDED), identifier),
        part["DataLength"].samples.astype(np.uint8),
        part["DataBytes"].samples,
    )


def _pairs(signals: _Signals) -> Pairs:
    found: Pairs = {}
    for signal, at, value in zip(
        signals.signal.tolist(), signals.time_s.tolist(), signals.value.tolist(), strict=True
    ):
        found.setdefault(signals.names[signal].partition(".")[2], set()).add((at, value))
    return found


def _pairs_of_extract(mdf: Any) -> Pairs:
    found: Pairs = {}
    for number, group in enumerate(mdf.groups):
        for place, channel in enumerate(group.channels):
            if channel.name in {"time", "Timestamp", "t"}:
                continue
            raw = mdf.get(group=number, index=place, raw=True)
            signal = raw.physical(ignore_value2text_conversions=True)
            if signal.samples.dtype.kind in "iufb":
                pairs = zip(signal.timestamps.tolist(), signal.samples.tolist(), strict=True)
                found.setdefault(channel.name, set()).update((at, float(value)) for at, value in pairs)
    return found

"""CAN logs as recordings (``can``): frames decoded with a DBC and a signal map, or kept as they are."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from data.catalogue import load_catalogue
from data.errors import CatalogueError
from data.records import Family, FamilyRows, FloatArray, VehicleEvent, VehicleSpec
from ingest.can.columns import FamilyColumns
from ingest.merge import group_rows, merge_column
from ingest.messages import CanFrames
from ingest.recordings.can_files import read_can_log
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import Pack, infer_capacity_ah, infer_chemistry
from ingest.recordings.recording import CanLog, Recording, build_rows, datetime_of
from ingest.recordings.source import Source
from ingest.transport import BusDecoder, ReportedCode, looks_like_j1939

FORMAT = "can"
_GRID_S = 1.0
_LOST_ROWS = ("frame: unreadable row", "frame: error or remote", "row: wrong number of columns")
SignalMap = Mapping[str, Mapping[str, Any]]


def read_can(content: bytes, source: Source, *, dbc_path: Path | None, map_path: Path | None) -> Recording:
    """Return the recording; without a DBC its frames and what standards define (OBD-II, J1939).

    Raises:
        RecordingError: The log, the DBC or the map cannot be read, or they contradict each other.
    """
    skipped: Counter[str] = Counter()
    notes: list[str] = []
    log = read_can_log(content, source.path, skipped, notes)
    signal_map = _read_map(map_path) if map_path else {}
    spec = source.spec
    counts = _array_lengths(signal_map, spec)
    decoded: Counter[str] = Counter()
    found = _decode(log, dbc_path, signal_map, counts=counts, decoded=decoded, skipped=skipped)
    batches = found.batches
    if dbc_path is None:
        told = "only what standards define is decoded" if found.count else "the frames are not decoded"
        notes.append(f"no DBC is given: {told}")
    columns = {alias: (batch, values) for batch in batches for alias, values in batch.columns.items()}
    cells = _column(columns, "cell.voltage")
    offset = ZoneInfo(spec.time_zone).utcoffset(datetime_of(int(log.time_us[0]))) if spec else None
    return source.recording(
        FORMAT,
        rows=len(log) + sum(skipped[reason] for reason in _LOST_ROWS),
        time_us=log.time_us,
        batches=batches,
        skipped=skipped,
        decoded=decoded,
        pack=Pack(
            cell_count=counts["cell"] if cells is not None else 0,
            probe_count=counts["probe"],
            chemistry=infer_chemistry(cells, np.full(cells.shape[0], np.nan)) if cells is not None else "NCM",
            capacity_ah=_capacity(columns),
        ),
        events=_events(found.codes),
        offset_s=round((offset or timedelta(0)).total_seconds()),
        raw_frames=log,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What the frames of a log say."""

    batches: list[FamilyRows]
    codes: Sequence[ReportedCode]
    count: int  #: values of any kind


def _decode(
    log: CanLog,
    dbc_path: Path | None,
    signal_map: SignalMap,
    *,
    counts: Mapping[str, int],
    decoded: Counter[str],
    skipped: Counter[str],
) -> _Decoded:
    try:
        decoder = BusDecoder(
            _read_text(dbc_path, "DBC") if dbc_path else None,
            signal_map,
            grid_s=_GRID_S,
            cell_count=counts["cell"],
            probe_count=counts["probe"],
            wheel_count=counts["wheel"],
            reads_j1939=dbc_path is None and looks_like_j1939(log.can_id),
        )
    except CatalogueError as error:
        raise RecordingError(f"{dbc_path or 'signal map'}: {error}") from error
    frames = CanFrames(log.time_us, log.can_id, log.length, log.data)
    result = decoder.decode(log.bus.astype(np.int64), frames, vehicle_of=np.zeros(256, np.int64))
    decoded.update(result.counts)
    skipped.update({reason.replace(":", ": ").replace(":  ", ": "): n for reason, n in result.masked.items()})
    if dbc_path is not None:
        skipped["frame: unknown id"] += sum(result.unknown_ids.values())
    batches = []
    for family in (Family.DRIVE, Family.TIRE, Family.CELL):
        found = [f for part in result.parts for f in part.families if f.family is family]
        rows = _merge(family, found) if found else None
        if rows is not None:
            batches.append(rows)
    return _Decoded(batches, result.codes, sum(result.counts.values()) + len(result.codes))


def _merge(family: Family, found: Sequence[FamilyColumns]) -> FamilyRows | None:
    """Return one row an instant: buses and protocols tell of different signals."""
    time_us = np.concatenate([part.time_us for part in found])
    grouping = group_rows([time_us])
    columns: dict[str, FloatArray] = {}
    for alias in sorted({alias for part in found for alias in part.columns}):
        shape = next(part.columns[alias].shape[1:] for part in found if alias in part.columns)
        values = [part.columns.get(alias, np.full((part.time_us.size, *shape), np.nan)) for part in found]
        columns[alias] = np.asarray(merge_column(np.concatenate(values), grouping)[0], np.float64)
    return build_rows(family, time_us[grouping.first], columns, decoded=Counter())


def _events(codes: Sequence[ReportedCode]) -> list[VehicleEvent]:
    """Return the trouble codes when each first came."""
    first: dict[tuple[str, str], ReportedCode] = {}
    for code in sorted(codes, key=lambda code: code.time_us):
        first.setdefault((code.ecu, code.code), code)
    return [
        VehicleEvent(
            vehicle_id=0,
            time_us=code.time_us,
            kind="dtc",
            source="can",
            code=code.code,
            data={"ecu": code.ecu, "status": code.status},
        )
        for code in first.values()
    ]


def _read_text(path: Path, what: str) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise RecordingError(f"{path}: {what} cannot be read ({error.strerror or error})") from error


def _read_map(path: Path) -> SignalMap:
    text = _read_text(path, "signal map")
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise RecordingError(f"{path}: signal map is neither TOML nor JSON ({error})") from error
    if isinstance(found.get("signals"), dict) and "alias" not in found["signals"]:
        found = found["signals"]
    for name, entry in found.items():
        if not isinstance(entry, dict):
            raise RecordingError(f"{path}: signal map {name!r}: must be a table with 'alias'")
    return dict(found)


def _array_lengths(signal_map: SignalMap, spec: VehicleSpec | None) -> dict[str, int]:
    """Return the elements of arrays by shape: the vehicle model's, else as many as the map names."""
    if spec is not None:
        return {"cell": spec.cell_count, "probe": spec.probe_count, "wheel": len(spec.wheels)}
    lengths = {"cell": 0, "probe": 0, "wheel": 4}
    signals = load_catalogue().signals
    for entry in signal_map.values():
        signal, index = signals.get(str(entry.get("alias"))), entry.get("index")
        if signal is not None and signal.is_array and isinstance(index, int):
            lengths[signal.shape] = max(lengths[signal.shape], index + 1)
    return lengths


def _column(columns: Mapping[str, tuple[FamilyRows, Any]], alias: str) -> FloatArray | None:
    return np.asarray(columns[alias][1], dtype=np.float64) if alias in columns else None


def _capacity(columns: Mapping[str, tuple[FamilyRows, Any]]) -> float:
    current, soc = _column(columns, "pack.current"), _column(columns, "soc")
    if current is None or soc is None:
        return 0.0
    batch = columns["soc"][0]
    return infer_capacity_ah(batch.time_us, current, soc) if batch.family is Family.DRIVE else 0.0

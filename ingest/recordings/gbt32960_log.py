"""GB/T 32960 frames in a text file (``gbt32960``).

Hex, one frame a line; JSON lines with ``hex``; or one JSON object of names to frames in hex.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleEvent
from ingest.errors import PayloadError
from ingest.gbt32960 import GbtFrame, decode_frame
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import Pack, infer_capacity_ah, infer_chemistry
from ingest.recordings.recording import Recording, build_rows
from ingest.recordings.source import Source
from ingest.recordings.table import first_line

FORMAT = "gbt32960"
_CHINA_OFFSET_S = 8 * 3600
_HEX_STARTS = ("2323", "2424")


def is_gbt32960(content: bytes) -> bool:
    """Tell whether the first frame that the content names begins like one."""
    try:
        return _hex_of(next(iter(_lines_of(content)), "")).startswith(_HEX_STARTS)
    except (ValueError, RecursionError):
        return False


def read_gbt32960(content: bytes, source: Source) -> Recording:
    """Return the recording; frames that cannot be read are counted.

    Raises:
        RecordingError: No frame can be read, or none carries a time; names the first fault.
    """
    skipped: Counter[str] = Counter()
    frames: list[GbtFrame] = []
    originals: list[bytes] = []
    first_fault = ""
    lines = _lines_of(content)
    for line in lines:
        try:
            original = bytes.fromhex(_hex_of(line))
            frame = decode_frame(original)
        except (PayloadError, ValueError) as error:
            reason = error.reason if isinstance(error, PayloadError) else "not hex"
            skipped[f"frame: {reason}"] += 1
            first_fault = first_fault or str(error)
            continue
        frames.append(frame)
        originals.append(original)
        skipped.update({f"block: {reason}": 1 for reason, _ in frame.rejects})
        skipped.update(frame.masked)
    timed = [frame for frame in frames if frame.time_us is not None]
    if not timed:
        fault = first_fault or "no frame carries a time"
        raise RecordingError(
            f"{source.path}: no GB/T 32960 frame of the {len(lines)} lines can be read ({fault})"
        )

    decoded: Counter[str] = Counter()
    batches = _join_rows(timed, decoded, skipped)
    for frame in timed:
        decoded.update(frame.extra.keys())
    times = np.array(sorted({frame.time_us or 0 for frame in timed}), dtype=np.int64)
    events: list[VehicleEvent] = sorted((e for f in timed for e in f.events), key=lambda event: event.time_us)
    drive = next((batch for batch in batches if batch.family is Family.DRIVE), None)
    return source.recording(
        FORMAT,
        rows=len(lines),
        time_us=times,
        batches=batches,
        skipped=skipped,
        decoded=decoded,
        pack=_pack_of(batches, drive),
        events=events,
        offset_s=_CHINA_OFFSET_S,
        time_zone="Asia/Shanghai",
        raw_frames=originals,
    )


def _lines_of(content: bytes) -> list[str]:
    """Return the lines that hold a frame each, or the texts of one JSON object over several lines."""
    text = content.decode("utf-8-sig", errors="replace")
    if text.lstrip().startswith("{") and '"hex"' not in first_line(content):
        try:
            named = json.loads(text)
        except (ValueError, RecursionError):
            named = None
        if isinstance(named, dict):
            return [str(frame) for frame in named.values()]
    return [line for line in text.splitlines() if line.strip()]


def _hex_of(line: str) -> str:
    text = line.strip()
    if text.startswith("{"):
        entry = json.loads(text)
        if not isinstance(entry, dict) or not isinstance(entry.get("hex"), str):
            raise ValueError("a JSON line needs a text 'hex'")
        text = str(entry["hex"])
    return text.removeprefix("0x").replace(" ", "")


def _join_rows(frames: Sequence[GbtFrame], decoded: Counter[str], skipped: Counter[str]) -> list[FamilyRows]:
    """Return one batch a family, for cells one a sub-pack and first cell; rows of one instant merge."""
    parts: dict[tuple[Family, int, int], list[tuple[int, dict[str, FloatArray]]]] = {}
    for frame in frames:
        for family, columns, keys in frame.families:
            key = (family, keys.get("sub_pack", 1), keys.get("first_cell", 1))
            parts.setdefault(key, []).append((frame.time_us or 0, dict(columns)))
    batches: list[FamilyRows] = []
    for (family, sub_pack, first_cell), rows in parts.items():
        time_us, index = np.unique(np.array([time for time, _ in rows], dtype=np.int64), return_inverse=True)
        columns = {
            alias: _merge_column(alias, rows, index, time_us.size, skipped)
            for alias in dict.fromkeys(alias for _, values in rows for alias in values)
        }
        batch = build_rows(
            family, time_us, columns, decoded=decoded, sub_pack=sub_pack, first_cell=first_cell
        )
        if batch is not None:
            batches.append(batch)
    return batches


def _merge_column(
    alias: str,
    rows: Sequence[tuple[int, dict[str, FloatArray]]],
    index: IntArray,
    count: int,
    skipped: Counter[str],
) -> FloatArray:
    parts = [(int(index[i]), values[alias][0]) for i, (_, values) in enumerate(rows) if alias in values]
    width = max(np.size(value) for _, value in parts)
    merged = np.full((count, width), np.nan)
    for row, value in parts:
        cells = np.atleast_1d(value)
        slot = merged[row, : cells.size]
        differing = np.isfinite(slot) & np.isfinite(cells) & (slot != cells)
        if differing.any():
            skipped[f"{alias}: differs at one instant"] += int(differing.sum())
        merged[row, : cells.size] = np.where(np.isfinite(slot), slot, cells)
    return merged[:, 0] if np.ndim(parts[0][1]) == 0 else merged


def _pack_of(batches: Sequence[FamilyRows], drive: FamilyRows | None) -> Pack:
    cells = probes = 0
    chemistry = "NCM"
    for batch in batches:
        if "cell.voltage" in batch.columns and batch.first_cell is not None:
            voltages = np.asarray(batch.columns["cell.voltage"], dtype=np.float64)
            cells = max(cells, int(batch.first_cell.max()) - 1 + voltages.shape[1])
            chemistry = infer_chemistry(voltages, np.full(len(batch), np.nan))
        if "cell.temperature" in batch.columns:
            probes = max(probes, batch.columns["cell.temperature"].shape[1])
    return Pack(cell_count=cells, probe_count=probes, chemistry=chemistry, capacity_ah=_capacity_of(drive))


def _capacity_of(drive: FamilyRows | None) -> float:
    if drive is None or not {"pack.current", "soc"} <= drive.columns.keys():
        return 0.0
    return infer_capacity_ah(
        drive.time_us,
        np.asarray(drive.columns["pack.current"], dtype=np.float64),
        np.asarray(drive.columns["soc"], dtype=np.float64),
    )

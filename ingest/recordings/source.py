"""What a reader is given beside the content of a file, and how what it read becomes a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleEvent, VehicleSpec
from ingest.recordings.inference import Pack, resolve_spec
from ingest.recordings.recording import CanLog, Recording, build_rows, count_local_days, datetime_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file that is read, and what the caller knows of its vehicle."""

    path: Path  #: for messages
    spec: VehicleSpec | None = None  #: None: inferred from the recording
    placard_kpa: float | Sequence[float] | None = None  #: one value or one a wheel; None: the model's

    def recording(
        self,
        format_name: str,
        *,
        rows: int,
        time_us: IntArray,
        batches: Sequence[FamilyRows],
        skipped: Mapping[str, int],
        decoded: Mapping[str, int],
        pack: Pack,
        unit: str = "",
        events: Sequence[VehicleEvent] = (),
        offset_s: int = 0,
        time_zone: str = "UTC",
        raw_frames: CanLog | Sequence[bytes] | None = None,
        notes: Sequence[str] = (),
    ) -> Recording:
        """Return what was read as a recording.

        Args:
            format_name: One of ``FORMATS``.
            rows: Rows or frames in the file, readable or not.
            time_us: Shape (n,), n > 0, ascending: times of the readable rows.
            batches: Rows by family.
            skipped: Rows left out and values masked, by reason; zeros are dropped.
            decoded: Present values by name; zeros are dropped.
            pack: What the recording tells of its battery.
            unit: Name of the vehicle or test in a file that holds several.
            events: In time order.
            offset_s: Local time less UTC.
            time_zone: IANA name of that, for a vehicle without a model.
            raw_frames: Frames as they were sent.
            notes: What had to be inferred.

        Raises:
            RecordingError: The vehicle model or the placard does not fit the file.
        """
        return Recording(
            format=format_name,
            unit=unit,
            rows=rows,
            first=datetime_of(time_us[0]),
            last=datetime_of(time_us[-1]),
            vehicle_days=count_local_days(time_us, offset_s=offset_s),
            skipped={reason: count for reason, count in skipped.items() if count},
            batches=batches,
            events=events,
            decoded={name: count for name, count in decoded.items() if count},
            has_position={"latitude", "longitude"} <= {alias for rows in batches for alias in rows.columns},
            spec=resolve_spec(
                self.spec,
                name=f"{self.path.name} {unit}".rstrip(),
                format_name=format_name,
                pack=pack,
                placard_kpa=self.placard_kpa,
                time_zone=time_zone,
            ),
            raw_frames=raw_frames,
            notes=tuple(notes),
        )


def build_families(
    families: Mapping[Family, Mapping[str, FloatArray]], time_us: IntArray, *, decoded: Counter[str]
) -> list[FamilyRows]:
    """Return the rows of those families that hold a value; see ``build_rows``."""
    built = (build_rows(family, time_us, columns, decoded=decoded) for family, columns in families.items())
    return [rows for rows in built if rows is not None]

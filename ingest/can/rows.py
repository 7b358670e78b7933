"""Raw frames of many messages, decoded together per vehicle model, as parts of the batch."""

from __future__ import annotations

import json

import numpy as np

from data.errors import CatalogueError
from data.records import IntArray
from ingest.assemble import CanRows
from ingest.errors import PayloadError
from ingest.messages import CanFrames, JoinedFrames, Model, Part, TroubleCode, Vehicle
from ingest.signal_rows import Unmapped
from ingest.transport import BusDecoder, OpenTransfers

#: Unknown identifiers that a batch names one by one; more are counted together.
_NAMED_IDS = 20


class CanDecoders:
    """One compiled decoder per vehicle model, made at its first frame and remade when its DBC changes."""

    def __init__(self) -> None:
        self._decoders: dict[str, tuple[Model, str, BusDecoder]] = {}
        self._open = OpenTransfers()

    def join(self, vehicle: Vehicle, bus: str, frames: CanFrames) -> JoinedFrames:
        """Return a message's frames with those of transfers that its bus had left open before them.

        To be called once a message, in order of arrival, before its frames are decoded.

        Args:
            vehicle: Whose message it is.
            bus: Of the topic.
            frames: Of the message.

        Raises:
            PayloadError: ``missing_dbc``, ``bad_dbc``: as when they are decoded.
        """
        return self._open.join(self._decoder(vehicle.model).receiver, vehicle.vehicle_id, bus, frames)

    def find_cut(self, vehicle: Vehicle, frames: CanFrames) -> tuple[IntArray, IntArray]:
        """Return the rows of transfers that are not whole: that may go on, and that go on from before.

        Raises:
            PayloadError: As ``join``.
        """
        return self._decoder(vehicle.model).receiver.find_cut(frames)

    def __call__(self, model: Model, index: IntArray, frames: CanFrames, vehicle_of: IntArray) -> CanRows:
        """Return what the frames of one vehicle model say.

        Args:
            model: Its DBC and signal map.
            index: Message index of each frame, shape (n,); a row has that of its grid cell's last frame.
            frames: Of all messages of this model in the batch.
            vehicle_of: Vehicle of each message of the batch: those of one vehicle share its grid cells, where
                the last value counts.

        Raises:
            PayloadError: ``missing_dbc``, ``bad_dbc``: the model has no DBC, or one that cannot be used.
        """
        decoded = self._decoder(model).decode(index, frames, vehicle_of=vehicle_of)
        parts: list[tuple[Part, IntArray]] = []
        extra: list[Unmapped] = []
        for part, owner in zip(decoded.parts, decoded.part_index, strict=True):
            parts += [
                (Part(found.family, found.time_us, found.columns), owner[found.last_frame])
                for found in part.families
            ]
            rest = part.extra
            used, code = np.unique(rest.column, return_inverse=True)
            extra.append(
                Unmapped(
                    owner[rest.last_frame],
                    rest.time_us,
                    [rest.names[n] for n in used.tolist()],
                    code.repeat(rest.count),
                    rest.value,
                )
            )
        masked = {f"can.{reason}": count for reason, count in decoded.masked.items()}
        for number, (can_id, count) in enumerate(sorted(decoded.unknown_ids.items())):
            name = f"can.{can_id:X}:unknown_id" if number < _NAMED_IDS else "can:unknown_id"
            masked[name] = masked.get(name, 0) + count
        codes = [
            (c.index, TroubleCode(c.time_us, c.ecu, c.code, c.status, c.occurrences)) for c in decoded.codes
        ]
        return parts, extra, masked, codes

    def _decoder(self, model: Model) -> BusDecoder:
        if model.dbc is None:
            raise PayloadError(
                "missing_dbc", f"vehicle model {model.model_id!r} has no DBC: must have one for can"
            )
        found = self._decoders.get(model.model_id)
        if found is not None and found[0] is model:  # the registry hands out the same one until it changes
            return found[2]
        wanted = json.dumps([model.dbc, dict(model.signal_map), model.grid_s], default=str, sort_keys=True)
        if found is None or found[1] != wanted:
            try:
                decoder = BusDecoder(
                    model.dbc,
                    model.signal_map,
                    grid_s=model.grid_s,
                    cell_count=model.cell_count,
                    probe_count=model.probe_count,
                    wheel_count=model.wheel_count,
                )
            except CatalogueError as error:
                raise PayloadError("bad_dbc", f"vehicle model {model.model_id!r}: {error}") from error
        else:
            decoder = found[2]
        self._decoders[model.model_id] = (model, wanted, decoder)
        return decoder

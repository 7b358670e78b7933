"""Raw frames of many messages, decoded together per vehicle model, as parts of the batch."""

from __future__ import annotations

import json

import numpy as np

from data.errors import CatalogueError
from data.records import IntArray
from ingest.assemble import CanRows
from ingest.can.decoder import CanDecoder
from ingest.errors import PayloadError
from ingest.messages import CanFrames, Model, Part

#: Unknown identifiers that a batch names one by one; more are counted together.
_NAMED_IDS = 20


class CanDecoders:
    """One compiled decoder per vehicle model, made at its first frame and remade when its DBC changes."""

    def __init__(self) -> None:
        self._decoders: dict[str, tuple[str, CanDecoder]] = {}

    def __call__(self, model: Model, index: IntArray, frames: CanFrames) -> CanRows:
        """Return what the frames of one vehicle model say.

        Args:
            model: Its DBC and signal map.
            index: Message index of each frame, shape (n,); rows keep it.
            frames: Of all messages of this model in the batch.

        Raises:
            PayloadError: ``missing_dbc``, ``bad_dbc``: the model has no DBC, or one that cannot be used.
        """
        if model.dbc is None:
            raise PayloadError(
                "missing_dbc", f"vehicle model {model.model_id!r} has no DBC: must have one for can"
            )
        decoded = self._decoder(model, model.dbc).decode(
            index.astype(np.int32), frames.time_us, frames.can_id, frames.length, frames.data
        )
        parts = [
            (Part(found.family, found.time_us, found.columns), index[found.last_frame])
            for found in decoded.families
        ]
        extra = decoded.extra
        names = np.array(extra.names, dtype=np.str_)[extra.signal]
        masked = {f"can.{reason}": count for reason, count in decoded.masked.items()}
        for number, (can_id, count) in enumerate(sorted(decoded.unknown_ids.items())):
            name = f"can.{can_id:X}:unknown_id" if number < _NAMED_IDS else "can:unknown_id"
            masked[name] = masked.get(name, 0) + count
        return parts, (index[extra.last_frame], extra.time_us, names, extra.value), masked

    def _decoder(self, model: Model, dbc: str) -> CanDecoder:
        wanted = json.dumps([dbc, dict(model.signal_map), model.grid_s], default=str, sort_keys=True)
        found = self._decoders.get(model.model_id)
        if found is None or found[0] != wanted:
            try:
                decoder = CanDecoder(
                    dbc,
                    model.signal_map,
                    grid_s=model.grid_s,
                    cell_count=model.cell_count,
                    probe_count=model.probe_count,
                    wheel_count=model.wheel_count,
                )
            except CatalogueError as error:
                raise PayloadError("bad_dbc", f"vehicle model {model.model_id!r}: {error}") from error
            found = self._decoders[model.model_id] = (wanted, decoder)
        return found[1]

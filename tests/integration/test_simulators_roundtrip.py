"""What the simulators encode, ingest decodes: two independent implementations of each wire format."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows
from ingest.can import CanDecoder, parse_can_payload
from ingest.gbt32960 import decode_frame
from ingest.messages import Model
from ingest.native import parse_payload, parse_tele
from ingest.payloads import CanPayload
from ingest.tele import decode_tele
from simulators.batches import select_rows, split_vehicles, trim_columns
from simulators.encode import Envelope, tele_payload
from simulators.encode_can import CanEncoder, can_payload
from simulators.encode_gbt import realtime_frame
from simulators.fleet import Fleet, build_fleet
from simulators.history import History

HEAD = Envelope(boot="b1", seq=0, sent_ms=1, is_hist=True, origin="simulated")
START = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return build_fleet(4, seed=2, start=START, days=1)


@pytest.fixture(scope="module")
def readings(fleet: Fleet) -> list[list[FamilyRows]]:
    """Families of each vehicle, arrays as long as its model's."""
    families = next(History(fleet).days(fleet.end_s))
    split = zip(*(split_vehicles(rows, len(fleet)) for rows in families), strict=True)
    widths = [
        {"cell.voltage": m.cell_count, "cell.temperature": m.probe_count}
        for m in (fleet.models[i] for i in fleet.model_index)
    ]
    return [[trim_columns(r, w) for r in rows] for rows, w in zip(split, widths, strict=True)]


def model_of(fleet: Fleet, row: int) -> Model:
    model = fleet.models[fleet.model_index[row]]
    return Model(
        model_id=model.model_id,
        cell_count=model.cell_count,
        probe_count=model.probe_count,
        wheel_count=4,
        grid_s=1.0,
        dbc=model.dbc,
        signal_map=model.signal_map,
    )


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("encoding", ["cbor", "json"])
def test_tele_comes_back_as_it_went(
    fleet: Fleet, readings: list[list[FamilyRows]], row: int, encoding: str
) -> None:
    model, catalogue, vin = model_of(fleet, row), load_catalogue(), fleet.vehicles[row].vin
    for families in (readings[row][:2], readings[row][2:]):
        payload = tele_payload(HEAD, families, encoding="json" if encoding == "json" else "cbor")
        parts, masked = decode_tele(parse_tele(payload, vin)[1], model, catalogue)

        assert not masked
        for part in parts:
            rows = next(f for f in families if f.family is part.family)
            np.testing.assert_array_equal(part.time_us, rows.time_us)
            assert set(part.columns) == set(rows.columns)
            for alias, values in part.columns.items():
                np.testing.assert_allclose(values, rows.columns[alias], rtol=1e-6, err_msg=alias)


@pytest.mark.parametrize("row", range(4))
def test_can_frames_come_back_within_their_resolution(
    fleet: Fleet, readings: list[list[FamilyRows]], row: int
) -> None:
    model, vin = fleet.models[fleet.model_index[row]], fleet.vehicles[row].vin
    cells = readings[row][2]
    at = cells.time_us[4]
    one = [select_rows(rows, rows.time_us == at) for rows in readings[row]]
    columns = {alias: values for rows in one for alias, values in rows.columns.items()}
    frames = CanEncoder(model.dbc, model.signal_map).frames(np.array([at]), columns)
    can = parse_payload(can_payload(HEAD, int(at) // 1000, frames), CanPayload, vin)
    time_us, can_id, _flags, length, data = parse_can_payload(can.f or b"", can.t0, is_fd=False)
    decoder = CanDecoder(
        model.dbc,
        model.signal_map,
        grid_s=1.0,
        cell_count=model.cell_count,
        probe_count=model.probe_count,
        wheel_count=4,
    )
    decoded = decoder.decode(np.zeros(len(time_us), np.int32), time_us, can_id, length, data)

    assert not decoded.unknown_ids
    assert not decoded.masked
    found = {alias: values for part in decoded.families for alias, values in part.columns.items()}
    on_the_bus = {str(entry["alias"]) for entry in model.signal_map.values()}
    assert set(columns) & on_the_bus == set(found)
    for alias, values in found.items():
        step = {"tire.age": 10.0, "tire.temperature": 1.0, "brake": 0.5}.get(alias, 0.25)
        np.testing.assert_allclose(values, columns[alias], atol=0.51 * step, err_msg=alias)


@pytest.mark.parametrize("edition", ["2016", "2025"])
@pytest.mark.parametrize("row", range(4))
def test_gbt_frame_comes_back_with_the_sign_of_the_store(
    fleet: Fleet, readings: list[list[FamilyRows]], row: int, edition: str
) -> None:
    cells = readings[row][2]
    for at in cells.time_us[[2, -2]]:
        one = [select_rows(rows, rows.time_us == at) for rows in readings[row]]
        columns = {alias: values for rows in one for alias, values in rows.columns.items()}
        vin = fleet.vehicles[row].vin
        frame = decode_frame(
            realtime_frame(vin, int(at), columns, 0, edition="2025" if edition == "2025" else "2016")
        )
        found = {alias: value for _, part, _ in frame.families for alias, value in part.items()}

        assert int(at) // 1_000_000 * 1_000_000 == frame.time_us
        assert {Family.DRIVE, Family.CELL} == {family for family, _, _ in frame.families}
        assert not frame.rejects
        assert not frame.masked
        for alias in ("pack.current", "pack.voltage", "speed", "odometer", "motor.torque"):
            assert columns[alias][0] == pytest.approx(float(np.ravel(found[alias])[0]), abs=0.051), alias
        assert columns["latitude"][0] == pytest.approx(float(np.ravel(found["latitude"])[0]), abs=1e-6)
        np.testing.assert_allclose(
            np.ravel(found["cell.voltage"]), np.ravel(columns["cell.voltage"]), atol=1e-3
        )
        np.testing.assert_allclose(
            np.ravel(found["cell.temperature"]), np.ravel(columns["cell.temperature"]), atol=0.5
        )

import json

import cantools
import cbor2
import numpy as np
import pytest

from data.records import Family, FamilyRows, parse_vin
from simulators.batches import Collector, join_rows, select_rows, trim_columns
from simulators.encode import Envelope, event_payload, mark_hist, status_payload, tele_payload
from simulators.encode_can import CanEncoder, can_payload
from simulators.encode_gbt import realtime_frame
from simulators.errors import EncodeError
from simulators.fleet import Fleet, build_vin
from simulators.outbox import Outbox
from simulators.vehicle_models import load_models

HEAD = Envelope(boot="k3f9", seq=12, sent_ms=1_767_643_200_000, is_hist=False, origin="simulated")
Past = dict[Family, FamilyRows]


def of_vehicle(past: Past, row: int, fleet: Fleet) -> list[FamilyRows]:
    model = fleet.models[fleet.model_index[row]]
    widths = {"cell.voltage": model.cell_count, "cell.temperature": model.probe_count}
    return [trim_columns(select_rows(rows, rows.vehicle_id == row), widths) for rows in past.values()]


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_tele_tells_the_same_numbers_in_both_encodings(fleet: Fleet, past: Past, encoding: str) -> None:
    drive, tires, cells = (select_rows(rows, slice(0, 40)) for rows in of_vehicle(past, 1, fleet))
    payload = tele_payload(HEAD, [drive, tires], encoding="json" if encoding == "json" else "cbor")
    body = json.loads(payload) if encoding == "json" else cbor2.loads(payload)

    assert {"v": 1, "boot": "k3f9", "seq": 12, "hist": 0}.items() <= body.items()
    assert (drive.time_us // 1000).tolist() == body["t"]
    for rows in (drive, tires):
        for alias, values in rows.columns.items():
            np.testing.assert_allclose(np.array(body["s"][alias]), values, rtol=1e-6)
    assert drive.columns["latitude"].tolist() == body["s"]["latitude"]
    alone = cbor2.loads(tele_payload(HEAD, [cells]))
    assert {88} == {len(row) for row in alone["s"]["cell.voltage"]}


def test_missing_values_are_null_on_the_wire(fleet: Fleet, past: Past) -> None:
    drive, tires, _ = (select_rows(rows, slice(0, 3)) for rows in of_vehicle(past, 0, fleet))
    drive.columns["speed"][1] = np.nan  # type: ignore[index]
    tires.columns["tire.pressure"][2] = np.nan  # type: ignore[index]
    tires.columns["tire.pressure"][0, 1] = np.nan  # type: ignore[index]
    for body in (
        cbor2.loads(tele_payload(HEAD, [drive, tires])),
        json.loads(tele_payload(HEAD, [drive, tires], encoding="json")),
    ):
        assert body["s"]["speed"][1] is None
        assert body["s"]["tire.pressure"][2] is None
        assert body["s"]["tire.pressure"][0][1] is None


def test_families_at_different_times_share_one_time_axis(fleet: Fleet, past: Past) -> None:
    drive, tires, _ = (select_rows(rows, slice(0, 4)) for rows in of_vehicle(past, 0, fleet))
    body = cbor2.loads(tele_payload(HEAD, [select_rows(drive, slice(0, 3)), select_rows(tires, slice(1, 4))]))

    assert len(body["t"]) == 4
    assert body["s"]["speed"][3] is None
    assert body["s"]["tire.age"][0] is None


def test_tele_without_a_sample_is_refused() -> None:
    with pytest.raises(EncodeError, match="at least one sample"):
        tele_payload(HEAD, [])


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_sending_again_changes_hist_only(fleet: Fleet, past: Past, encoding: str) -> None:
    rows = [select_rows(of_vehicle(past, 0, fleet)[0], slice(0, 2))]
    load = json.loads if encoding == "json" else cbor2.loads
    first = tele_payload(HEAD, rows, encoding="json" if encoding == "json" else "cbor")

    assert {**load(first), "hist": 1} == load(mark_hist(first))
    assert mark_hist(first) == mark_hist(mark_hist(first))


def test_event_and_status_follow_the_contract() -> None:
    event = json.loads(event_payload(HEAD, time_ms=5, kind="warning_receipt", data={"warning_id": "a"}))

    assert {
        "kind": "warning_receipt",
        "t": 5,
        "level": 0,
        "data": {"warning_id": "a"},
    }.items() <= event.items()
    assert json.loads(status_payload("b", is_online=True, seq=3)) == {
        "v": 1,
        "boot": "b",
        "online": True,
        "seq": 3,
    }
    assert json.loads(status_payload("b", is_online=False)) == {"v": 1, "boot": "b", "online": False}
    with pytest.raises(EncodeError, match="level 4"):
        event_payload(HEAD, time_ms=5, kind="alarm", level=4)


@pytest.mark.parametrize("row", range(4))
def test_frames_decode_with_cantools_to_the_readings(fleet: Fleet, past: Past, row: int) -> None:
    model = fleet.models[fleet.model_index[row]]
    cells = of_vehicle(past, row, fleet)[2]
    at = cells.time_us[5]
    columns = {
        alias: values[rows.time_us == at]
        for rows in of_vehicle(past, row, fleet)
        for alias, values in rows.columns.items()
    }
    frames = CanEncoder(model.dbc, model.signal_map).frames(np.array([at]), columns)
    database = cantools.database.load_string(model.dbc, "dbc")
    seen = 0
    for frame in frames:
        message = database.get_message_by_frame_id(int(frame["id"]))
        decoded = message.decode(frame["data"].tobytes()[: message.length], decode_choices=False)
        for name, value in decoded.items():
            entry = model.signal_map.get(f"{message.name}.{name}")
            if entry is None:
                continue
            expected = columns[str(entry["alias"])][0]
            expected = expected[int(entry["index"])] if "index" in entry else expected
            step = message.get_signal_by_name(name).scale
            assert expected == pytest.approx(value, abs=0.51 * step), name
            seen += 1

    assert len(model.signal_map) == seen


def test_missing_value_is_packed_as_not_available() -> None:
    model = next(iter(load_models().values()))
    encoder = CanEncoder(model.dbc, model.signal_map)
    frames = encoder.frames(np.array([0]), {"tire.pressure": np.array([[220.0, np.nan, 230.0, 240.0]])})

    assert frames["id"].tolist() == [0x150]
    assert frames["data"][0, 2:4].tolist() == [0xFF, 0xFF]
    record = cbor2.loads(can_payload(HEAD, 1000, frames))
    assert len(record["f"]) == 18
    assert record["t0"] == 1000


def test_signal_map_naming_an_unknown_signal_is_refused() -> None:
    model = next(iter(load_models().values()))
    with pytest.raises(EncodeError, match=r"BMS\.Nothing"):
        CanEncoder(model.dbc, {"BMS.Nothing": {"alias": "soc"}})


def test_gbt_frame_of_2016_is_laid_out_as_the_standard_says() -> None:
    cells = np.array([[3.700, 3.725, 3.690, 3.745]])
    columns = {
        "vehicle.state": np.array([1.0]), "charging": np.array([3.0]), "speed": np.array([46.8]),
        "odometer": np.array([7200.8]), "pack.voltage": np.array([29.8]), "pack.current": np.array([48.3]),
        "soc": np.array([75.0]), "dcdc.state": np.array([1.0]), "gear": np.array([127.0]),
        "insulation": np.array([1093.0]), "accelerator": np.array([np.nan]), "brake": np.array([0.0]),
        "latitude": np.array([31.2304]), "longitude": np.array([121.4737]),
        "cell.voltage": cells, "cell.temperature": np.array([[35.0, 36.0]]),
    }  # fmt: skip
    time_us = 1_768_437_000_000_000
    frame = realtime_frame("ANXNTEST000000001", time_us, columns, 0)

    assert frame[:22] == b"##\x02\xfeANXNTEST000000001\x01"
    assert len(frame) == 25 + int.from_bytes(frame[22:24])
    assert int(np.bitwise_xor.reduce(np.frombuffer(frame[2:], np.uint8))) == 0
    assert bytes([26, 1, 15, 8, 30, 0]) == frame[24:30]
    vehicle = frame[31:51]
    assert bytes.fromhex("01030101d4000119480 12a252d".replace(" ", "")) == vehicle[:13]
    assert bytes.fromhex("4b012e0445ff00") == vehicle[13:]
    cell_block = frame.index(bytes.fromhex("080101012a252d00040001040e74"))
    assert bytes.fromhex("0e8d0e6a0ea1") == frame[cell_block + 14 : cell_block + 20]


def test_gbt_frame_of_2025_moves_the_zero_of_the_current() -> None:
    columns = {"pack.current": np.array([-2.2]), "vehicle.state": np.array([1.0])}
    frame = realtime_frame(
        "ANXNTEST000000001", 1_768_437_000_000_000, columns, 0, edition="2025", is_resupply=True
    )

    assert frame[:4] == b"$$\x03\xfe"
    assert int.from_bytes(frame[31 + 11 : 31 + 13]) == 30022


def test_vins_carry_their_check_digit() -> None:
    values = {**{str(d): d for d in range(10)}, **dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9], strict=True))}  # fmt: skip # noqa: E501 - the table of ISO 3779
    for number in (0, 7, 1234, 99_999):
        vin = build_vin(number)
        total = sum(
            values[c] * w
            for c, w in zip(vin, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2), strict=True)
        )
        assert ("X" if total % 11 == 10 else str(total % 11)) == vin[8]


def test_messages_of_a_back_fill_hold_thirty_samples_or_more(fleet: Fleet, past: Past) -> None:
    drive, tires, cells = of_vehicle(past, 0, fleet)
    collector, sizes, times = Collector(), [], []
    for begin in range(0, len(drive), 97):
        day = slice(begin, begin + 97)
        collector.add(select_rows(drive, day), select_rows(tires, day), select_rows(cells, slice(0, 0)))
        is_last = begin + 97 >= len(drive)
        for families in collector.messages(is_last=is_last):
            sizes.append(len(families[0]))
            times.append(families[0].time_us)

    assert min(sizes) >= 30
    np.testing.assert_array_equal(drive.time_us, np.concatenate(times))
    assert len(join_rows([drive])) == sum(sizes)


def test_status_never_runs_ahead_of_what_the_broker_has() -> None:
    box = Outbox("demo", parse_vin("LAXSM0A00VA000000"), "b1", "simulated")
    for _ in range(3):
        box.add("tele", lambda e: str(e.seq).encode(), sent_ms=0, is_hist=False)  # type: ignore[arg-type]
    assert box.acknowledged_seq == -1
    for mid in (10, 11):
        box.in_flight[mid] = (box.waiting.popleft(), False)
    assert box.acknowledge(11) is False
    assert box.acknowledged_seq == -1
    assert box.acknowledge(10) is False
    assert box.acknowledged_seq == 1
    assert box.acknowledge(99) is None


def test_message_asked_for_twice_is_repeated_once_until_acknowledged() -> None:
    box = Outbox("demo", parse_vin("LAXSM0A00VA000000"), "b1", "simulated")
    box.ask("b0", 3, 5, limit=100)
    box.ask("b0", 4, 9, limit=100)

    assert [("b0", s) for s in (3, 4, 5, 6, 7, 8, 9)] == list(box.repeats)

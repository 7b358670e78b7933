"""Sound messages of every kind, from the simulators' encoders: where fuzzing begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import cbor2
import numpy as np

from data.records import Family, FamilyRows, IntArray
from simulators.encode import Envelope, birth_payload, event_payload, status_payload, tele_payload
from simulators.encode_can import CanEncoder, can_payload
from simulators.encode_gbt import gbt_payload, realtime_frame
from simulators.vehicle_models import model_named

MODEL = "anxin-sedan-96-ncm"
TENANT, VIN = "demo", "LKFUZZ00000000001"
#: A vehicle that only ever sends sound messages.
GOOD_VIN = "LKFUZZ00000000002"
UP = f"anxin/v1/{TENANT}/{VIN}/up"
#: When everything below was measured; received a second later.
NOW_MS = 1_767_225_600_000
#: Systems that owners already run, and a mapping of somebody's own.
ADAPTERS = f"""
[[adapter]]
preset = "ovms"
tenant = "{TENANT}"
vehicles = {{ "alice/leaf" = "{VIN}" }}
[[adapter]]
preset = "teslamate"
tenant = "{TENANT}"
vehicles = {{ "1" = "{VIN}" }}
[[adapter]]
name = "shuttle"
tenant = "{TENANT}"
topic = "fleet/{{id}}/state"
readings = "samples"
time = {{ path = "ts", format = "ms" }}
coordinates = "gcj02"
vehicles = {{ "bus-7" = "{VIN}" }}
[adapter.values]
"v.mph" = {{ alias = "speed", scale = 1.609344 }}
"tpms.psi" = {{ alias = "tire.pressure", scale = 6.894757 }}
"mode" = {{ alias = "charging", words = {{ AC = 1, Idle = 3 }} }}
"lat" = {{ alias = "latitude" }}
"lon" = {{ alias = "longitude" }}
"""
#: Topics that a fuzzed payload may come on; which, a byte of the fuzzer's input chooses.
TOPICS = (
    *(f"{UP}/{kind}" for kind in ("tele", "can/main", "gbt32960", "event", "birth", "status")),
    "ovms/alice/leaf/metric/v/b/soc",
    "ovms/alice/leaf/metric/v/tp/p",
    "teslamate/cars/1/speed",
    "fleet/bus-7/state",
)


@cache
def sound_messages(vin: str = VIN) -> tuple[tuple[str, bytes], ...]:
    """Return topic and payload of sound messages of one vehicle in every format."""
    drive = {
        "speed": [50.5, 51.0],
        "odometer": [1234.5, 1234.6],
        "soc": [80.0, 80.0],
        "pack.voltage": [350.0, 351.5],
    }
    rows = [
        _rows(Family.DRIVE, drive),
        _rows(
            Family.TIRE, {"tire.pressure": [[240.0, 241, 242, 243]] * 2, "tire.temperature": [[25.0] * 4] * 2}
        ),
        _rows(Family.CELL, {"cell.voltage": [[3.7] * 96] * 2, "cell.temperature": [[25.0, 26.0] * 12] * 2}),
    ]
    together = {alias: np.asarray(v) for family in rows for alias, v in family.columns.items()}
    model = model_named(MODEL)
    frames = CanEncoder(model.dbc, model.signal_map).frames(rows[0].time_us, together)
    fd = np.zeros(
        2, np.dtype([("us", "<u4"), ("id", "<u4"), ("flags", "u1"), ("length", "u1"), ("data", "u1", 64)])
    )
    fd["id"], fd["length"], fd["data"] = [0x100, 0x80000200], [8, 64], 17
    codes = [{"ecu": "BMS", "code": "P0A7F", "status": 9}]
    old, new = (realtime_frame(vin, NOW_MS * 1000, together, 0, edition=e) for e in ("2016", "2025"))  # type: ignore[arg-type]
    alarm = realtime_frame(vin, NOW_MS * 1000, together, 1, is_resupply=True, alarm_level=3, alarm_flags=0x41)
    tires = {"psi": [35.0, 35.5, 36.0, None]}
    times = [NOW_MS, NOW_MS + 1000]
    sample = {"ts": NOW_MS, "v": {"mph": 31.0}, "tpms": tires, "mode": "AC", "lat": 31.2, "lon": 121.5}
    messages = (
        (TOPICS[0], tele_payload(_head(0), rows)),
        (TOPICS[0], tele_payload(_head(1), rows, encoding="json")),
        (TOPICS[0], tele_payload(_head(2), rows[:1], encoding="json")),
        (TOPICS[1], can_payload(_head(3), NOW_MS, frames)),
        (TOPICS[1], cbor2.dumps({**_head(4).fields(), "t0": NOW_MS, "fd": fd.tobytes()})),
        (TOPICS[2], gbt_payload(_head(5), old)),
        (TOPICS[2], gbt_payload(_head(6), new)),
        (TOPICS[2], old),
        (TOPICS[2], new),
        (TOPICS[2], alarm),
        (
            TOPICS[3],
            event_payload(_head(7), time_ms=NOW_MS, kind="alarm", level=3, codes=codes, data={"a": [1, "b"]}),
        ),
        (TOPICS[3], cbor2.dumps(json.loads(event_payload(_head(8), time_ms=NOW_MS, kind="impact")))),
        (
            TOPICS[4],
            birth_payload(
                _head(9), model=MODEL, firmware="1.2", time_zone="Asia/Shanghai", previous=("b0", 4)
            ),
        ),
        (TOPICS[5], status_payload("b1", is_online=True, seq=9)),
        (TOPICS[5], status_payload("b1", is_online=False)),
        (TOPICS[6], b"80.5"),
        (TOPICS[8], b"54"),
        (TOPICS[9], json.dumps({"samples": [sample, sample | {"ts": NOW_MS + 1000}]}).encode()),
        (TOPICS[0], cbor2.dumps({"t": _array("<i8", times), **_head(10).fields(), "s": _arrays(40)})),
        (TOPICS[0], cbor2.dumps({**_head(11).fields(), "t": times, "s": _arrays(1040)})),
    )
    return tuple((topic.replace(VIN, vin), payload) for topic, payload in messages)


def drive_and_tires(from_ms: int, count: int) -> list[FamilyRows]:
    """Return samples 100 ms apart: four scalars, four tires."""
    times = from_ms + 100 * np.arange(count)
    values = np.arange(count, dtype=float)
    drive = {"speed": values, "odometer": values, "soc": values, "pack.voltage": 300 + values}
    tires = {"tire.pressure": 240 + np.add.outer(values, np.arange(4.0))}
    return [_rows(Family.DRIVE, drive, times), _rows(Family.TIRE, tires, times)]


def _arrays(order: int) -> dict[str, cbor2.CBORTag]:
    """Return columns as typed arrays; 40: row by row, 1040: column by column (RFC 8746 §3.1)."""
    wheels = np.array([[240, 241, 242, 243]] * 2).ravel("C" if order == 40 else "F")
    return {
        "speed": _array("<f4", [50.5, 51.0]),
        "soc": _array(">f2", [80.0, 80.0]),
        "tire.pressure": cbor2.CBORTag(order, [[2, 4], _array("u1", wheels)]),
        "cell.voltage": cbor2.CBORTag(order, [[2, 96], _array(">f8", [3.7] * 192)]),
    }


def _array(kind: str, values: Any) -> cbor2.CBORTag:
    """Return numbers as a typed array (RFC 8746 §2.1)."""
    tag = {"u1": 64, "<i8": 79, ">f2": 80, ">f8": 82, "<f4": 85}[kind]
    return cbor2.CBORTag(tag, np.asarray(values, kind).tobytes())


def _head(seq: int) -> Envelope:
    return Envelope(boot="b1", seq=seq, sent_ms=NOW_MS, is_hist=False, origin="simulated")


def _rows(
    family: Family, columns: Mapping[str, Any], time_ms: Sequence[int] | IntArray = (NOW_MS, NOW_MS + 1000)
) -> FamilyRows:
    n = len(time_ms)
    zeros = np.zeros(n, np.int64)
    return FamilyRows(
        family=family,
        vehicle_id=np.zeros(n, np.int32),
        time_us=np.asarray(time_ms, np.int64) * 1000,
        sent_us=zeros,
        received_us=zeros,
        is_hist=np.zeros(n, bool),
        columns={alias: np.asarray(values, float) for alias, values in columns.items()},
    )

"""When ingest reads the vehicle registry again for the sake of vehicles that it does not know."""

from __future__ import annotations

from typing import Any

import pytest

from data.records import Vin
from ingest import intake as module
from ingest.intake import Intake
from ingest.messages import Delivery, Model, Vehicle

MODEL = Model(
    model_id="m",
    cell_count=4,
    probe_count=2,
    wheel_count=4,
    grid_s=1.0,
    dbc=None,
    signal_map={},
)


class Registry:
    """Counts how often it is read, and the clock beside it."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, Vin], Vehicle] = {}
        self.reads = 0
        self.now_s = 100.0

    def fetch(self, _pool: object) -> dict[tuple[str, Vin], Vehicle]:
        self.reads += 1
        return dict(self.known)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry()
    monkeypatch.setattr(module, "fetch_registry", made.fetch)
    return made


@pytest.fixture
def intake(registry: Registry) -> Intake:
    def no_can(*_: Any, **__: Any) -> Any:
        raise NotImplementedError

    return Intake(
        None,  # type: ignore[arg-type]  # the registry does not ask it
        slot="t",
        future_s=300.0,
        can_decode=no_can,
        parse_can=no_can,
        clock_s=lambda: registry.now_s,
    )


def said(intake: Intake, n: int) -> str:
    payload = (
        b'{"v":1,"boot":"b","seq":1,"sent":1700000000000,"hist":0,"t":[1700000000000],"s":{"speed":[1]}}'
    )
    topic = f"anxin/v1/demo/LANX000000000000{n}/up/tele"
    (item,) = intake.read_all([Delivery(topic, payload, 1_700_000_001_000_000)])
    return "known" if item.reject is None else item.reject.reason


def test_vehicles_that_stay_unknown_cost_one_look_not_one_every_two_seconds(
    intake: Intake, registry: Registry
) -> None:
    for _ in range(28):
        assert {said(intake, n) for n in range(1, 6)} == {"unknown_vehicle"}
        registry.now_s += 1.0

    assert registry.reads == 2


def test_a_vehicle_heard_of_for_the_first_time_is_looked_up_at_once(
    intake: Intake, registry: Registry
) -> None:
    said(intake, 1)
    registry.known["demo", Vin("LANX0000000000002")] = Vehicle(2, MODEL, False)
    registry.now_s += 3.0

    assert said(intake, 2) == "known"
    assert registry.reads == 2


def test_an_unknown_vehicle_is_found_half_a_minute_after_its_registration_at_the_latest(
    intake: Intake, registry: Registry
) -> None:
    said(intake, 1)
    registry.now_s += 3.0
    said(intake, 1)
    registry.known["demo", Vin("LANX0000000000001")] = Vehicle(1, MODEL, False)
    registry.now_s += 29.0
    assert said(intake, 1) == "unknown_vehicle"

    registry.now_s += 2.0

    assert said(intake, 1) == "known"

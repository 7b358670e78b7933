"""Training from the database: what was known at the cut, and nothing that came later."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import anxin
from data.db import Connection, Pool, transaction
from data.records import FailureMode, Origin, Truth
from data.vehicle_specs import find_spec
from models import store_backtest, store_features
from models.features.days import to_datetime, to_us
from models.features.sets import DayFeatures, width
from models.features.tire_days import TireDaySet
from models.learning.train import Learned
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from models.stored_learning import LearningWork, StoredLearned, learn_stored
from simulators.day_level import draw_fleet

SPEC = find_spec("anxin-sedan-96-ncm")
MODE = FailureMode.TIRE_SLOW_LEAK
VERSIONS = (TireSlowLeakPredictor().model_version,)
N_DAYS, N_EACH = 90, 8
DAY = timedelta(days=1)


def drawn() -> tuple[Any, list[Truth], Any]:
    """Return the parts of two fleets, of leaks and of healthy vehicles, and the truths of the first."""
    one: dict[str, Any] = {"seed": 1001, "models": [SPEC.model_id]}
    leaking = draw_fleet(N_EACH, N_DAYS, mode="enriched", faults=[MODE.value], **one)
    healthy = draw_fleet(N_EACH, N_DAYS, mode="healthy", **one)
    first, second = (fleet.part(fleet.blocks(N_EACH)[0]) for fleet in (leaking, healthy))
    return first, list(first.truths), second


def put_days(connection: Connection, part: Any, first_id: int) -> None:
    feature_set = TireDaySet()
    of_set = part.sets[feature_set.name]
    for row in range(len(part.vehicle)):
        seen = part.last_us[row] > 0
        value = {
            f.name: np.asarray(of_set[f.name], dtype=np.float64)[row][seen]
            if f.name in of_set
            else np.full((int(seen.sum()), width(f, SPEC)), np.nan)
            for f in feature_set.features
        }
        days = DayFeatures(
            day=part.day[seen],
            first_us=part.first_us[row][seen],
            last_us=part.last_us[row][seen],
            value=value,
        )
        wanted = [(feature_set, days.day.tolist(), days)]
        store_features.replace_days(connection, first_id + row, wanted, spec=SPEC)


@pytest.fixture
def history(pool: Pool, database_url: str) -> tuple[str, list[Truth]]:
    """Vehicles with their days, and leaks that workshops found at the limit and wrote down two days later."""
    leaking, truths, healthy = drawn()
    with transaction(pool) as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('demo')")
        connection.execute(
            "INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah,"
            " energy_kwh, wheels, placard_kpa) VALUES (%s, 'x', %s, %s, %s, %s, %s, %s, %s)",
            (
                SPEC.model_id,
                SPEC.chemistry,
                SPEC.cell_count,
                SPEC.probe_count,
                SPEC.capacity_ah,
                60.0,
                list(SPEC.wheels),
                list(SPEC.placard_kpa),
            ),
        )
        for n in range(1, 2 * N_EACH + 1):
            connection.execute(
                "INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, %s)",
                (f"LANX{n:013d}", SPEC.model_id),
            )
            connection.execute(
                "INSERT INTO vehicle_latest (vehicle_id, family, time, received, is_hist, origin, readings)"
                " VALUES (%s, 'tire', now(), now(), false, 'simulated', '{}')",
                (n,),
            )
            connection.execute(
                "INSERT INTO message_streams (vehicle_id, boot, origin, first_received, last_received)"
                " VALUES (%s, 'b', 'simulated', now(), now())",
                (n,),
            )
        put_days(connection, leaking, 1)
        put_days(connection, healthy, N_EACH + 1)
        connection.execute("ALTER TABLE outcomes DROP CONSTRAINT outcomes_order_id_fkey")
        for number, truth in enumerate(known_limits(truths), start=1000):
            add_outcome(connection, number, vehicle_of(truth, leaking), truth)
    return database_url, known_limits(truths)


def known_limits(truths: list[Truth]) -> list[Truth]:
    return [t for t in truths if t.is_fault and t.kind == MODE.value and t.threshold_at is not None]


def vehicle_of(truth: Truth, part: Any) -> int:
    return int(np.flatnonzero(part.vehicle == truth.vehicle)[0]) + 1


def add_outcome(connection: Connection, number: int, vehicle: int, truth: Truth, **changes: Any) -> None:
    values = {"found_at": truth.threshold_at, "decided_at": truth.threshold_at + 2 * DAY} | changes
    connection.execute(
        "INSERT INTO outcomes (order_id, tenant_id, vehicle_id, component, failure_mode, outcome, cause,"
        " found_at, decided_at, origin) VALUES (%s, 1, %s, %s, %s, 'confirmed', 'x', %s, %s, 'simulated')",
        (number, vehicle, truth.component, MODE.value, values["found_at"], values["decided_at"]),
    )


def learn(url: str, cut: datetime) -> StoredLearned:
    return learn_stored(
        LearningWork(
            url=url,
            vehicle_ids=tuple(range(1, 2 * N_EACH + 1)),
            versions=VERSIONS,
            cut_us=to_us(cut),
            origin=Origin.SIMULATED,
            with_examples=True,
        )
    )


def plain(found: StoredLearned) -> list[Any]:
    """Return every number that was learned, to be compared to the last bit."""
    out: list[Any] = [found.findings, found.undecided]
    for version, learned in sorted(found.learned.items()):
        out += [version, learned.span, *of_learned(learned)]
    return out


def of_learned(learned: Learned) -> list[Any]:
    out: list[Any] = []
    for fold, evidence in sorted(learned.evidence.items()):
        for name, days in sorted(evidence.components.items()):
            counted = (days.positive.tolist(), days.before.tolist(), days.healthy.tolist(), days.faults)
            out += [fold, name, *counted]
        for name, own in sorted(evidence.vehicles.items()):
            out += [name, own.counts.tolist(), own.top.tolist()]
    for rows in learned.examples:
        out += [np.nan_to_num(rows.x, nan=-9.0).tolist(), rows.is_event.tolist(), rows.known_day.tolist()]
    return out


def middle(truths: list[Truth]) -> datetime:
    """Return a time by which some findings were made, some of them not yet written down."""
    found = sorted(t.threshold_at for t in truths if t.threshold_at)
    return found[len(found) // 2] + DAY


def test_what_is_learned_at_a_time_does_not_change_with_anything_decided_or_measured_later(
    history: tuple[str, list[Truth]], pool: Pool
) -> None:
    url, truths = history
    cut = middle(truths)
    before = learn(url, cut)
    later = learn(url, max(t.threshold_at for t in truths if t.threshold_at) + 30 * DAY)
    with transaction(pool) as connection:
        connection.execute("DELETE FROM outcomes WHERE decided_at >= %s", (cut,))
        connection.execute("DELETE FROM day_features WHERE last_time > %s", (cut,))
    without = learn(url, cut)

    assert plain(without) == plain(before) != plain(later)
    assert 0 < before.findings < later.findings == len(truths)


def test_rows_of_a_finding_are_known_from_when_it_was_written_down(
    history: tuple[str, list[Truth]],
) -> None:
    url, truths = history
    end = max(t.threshold_at for t in truths if t.threshold_at) + 30 * DAY
    (learned,) = learn(url, end).learned.values()
    faulty = [rows for rows in learned.examples if rows.is_faulty.any()]
    events = [(r, i) for r in faulty for i in np.flatnonzero(r.is_event == 1).tolist()]

    assert len(events) > 20
    for rows, at in events:
        found_day = rows.day[at] + rows.left_h[at] / 24.0
        assert rows.known_day[at] >= found_day + 1.0  # two days from the newest sample of the day on


def test_a_component_with_an_open_order_teaches_nothing_either_way(
    history: tuple[str, list[Truth]], pool: Pool
) -> None:
    url, truths = history
    end = max(t.threshold_at for t in truths if t.threshold_at) + 30 * DAY
    before = learn(url, end)
    with transaction(pool) as connection:
        for n, wheel in enumerate(SPEC.wheels):
            connection.execute(
                "INSERT INTO repair_orders (tenant_id, vehicle_id, component, failure_mode, severity, state,"
                " deadline, complaint, reasons, origin, idempotency_key, opened_at, updated_at)"
                " VALUES (1, %s, %s, %s, 'S3', 'predicted', %s, 'x', '[]', 'simulated', %s, %s, %s)",
                (2 * N_EACH, f"tire {wheel}", MODE.value, end, f"k{n}", end - DAY, end - DAY),
            )
        asked = store_backtest.fetch_undecided(connection, [2 * N_EACH], end - 2 * DAY)
    after = learn(url, end)
    days = [sum(e.vehicles["NCM winter"].counts.sum() for e in _evidence(f)) for f in (before, after)]

    assert asked == set()
    assert (before.undecided, after.undecided) == (0, 4)
    assert days[1] < days[0]


def _evidence(found: StoredLearned) -> list[Any]:
    return [e for learned in found.learned.values() for e in learned.evidence.values() if e.vehicles]


def test_the_command_registers_a_challenger_and_refuses_to_take_simulated_vehicles_for_real_ones(
    history: tuple[str, list[Truth]], pool: Pool, tmp_path: Any
) -> None:
    url, truths = history
    end = max(t.threshold_at for t in truths if t.threshold_at) + 30 * DAY
    environ = {"ANXIN_DATABASE_URL": url, "ANXIN_MQTT_URL": "mqtt://127.0.0.1:1", "ANXIN_HOME": str(tmp_path)}
    asked = ["train", "--stored", "--predictors", "tire_slow_leak", "--workers", "1", "--register", "--json"]
    refused = CliRunner().invoke(anxin.app, asked, env=environ)
    done = CliRunner().invoke(
        anxin.app,
        [*asked, "--origin", "simulated", "--until", end.strftime("%Y-%m-%dT%H:%M:%S")],
        env=environ,
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    with transaction(pool) as connection:
        rows = connection.execute(
            "SELECT model_version, kind, state, origin, source ->> 'findings' FROM model_artefacts"
        ).fetchall()

    assert refused.exit_code != 0
    assert (VERSIONS[0], "maps", "challenger", "simulated", str(len(truths))) in rows
    assert told["level"] == "stored"
    assert told["simulated"] is True
    assert {p["model_version"] for p in told["predictors"] if p["maps"]} == set(VERSIONS)
    assert to_datetime(to_us(end)) == end

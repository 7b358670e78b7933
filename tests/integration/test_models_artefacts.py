"""Registering, promoting and rolling back on a real database; score follows without a restart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from data.audit import Deed
from data.db import Pool
from data.health import check_database
from models import store, store_artefacts, store_features
from models.artefacts import Trained, pack_learner, pack_maps
from models.champions import Champions
from models.drift import live_precision, measure_drift
from models.errors import ArtefactError
from models.features.sets import DayFeatures, width
from models.features.tire_days import TireDaySet
from models.learning.calibration import Curve
from models.learning.conformal import fit_healthy
from models.learning.learned import LearnedPredictor
from models.learning.learner import Kind, make_learner
from models.learning.mapped import MappedPredictor
from models.learning.maps import RiskMaps
from models.learning.scale import BINS
from models.predictors import day_predictors
from models.service import run_score
from tests.integration import models_seed as seed
from tests.integration.test_models_services import fortnight, running, wait_for

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DEED = Deed(actor="test", now=NOW)
VERSION = day_predictors()[0].model_version
MODE = day_predictors()[0].failure_mode.value


def trained(content: bytes, kind: str = "maps") -> Trained:
    return Trained(
        model_version=VERSION,
        failure_mode=MODE,
        kind=kind,
        features=("gas_kpa",),
        span=(20_000, 20_100),
        origin="simulated",
        source={"seeds": [1101]},
        code_version="test",
        metrics={"ece": 0.01},
        content=content,
    )


def maps(stretch: float) -> bytes:
    return pack_maps(RiskMaps(model_version=VERSION, stretch=stretch))


def learner() -> bytes:
    x = np.random.default_rng(0).normal(size=(60, 1))
    found = make_learner(Kind.LOGISTIC, seed=0).fit(x, (x[:, 0] > 0).astype(int))
    return pack_learner(found, names=("score",), threshold=0.0)


def modes(connection: Any) -> dict[str, str]:
    rows = connection.execute(
        "SELECT DISTINCT ON (model_version) model_version, mode FROM predictor_modes"
        " ORDER BY model_version, mode_id DESC"
    )
    return dict(rows.fetchall())


def test_promotion_and_rollback_reach_score_without_a_restart(pool: Pool) -> None:
    seed.seed_vehicles(pool, 1)
    champions = Champions()
    base = day_predictors()
    with pool.connection() as connection:
        assert champions.refresh(connection, base, now=NOW) is None
        one = store_artefacts.register(connection, trained(maps(1.5)), deed=DEED)
        two = store_artefacts.register(connection, trained(maps(2.5)), deed=DEED)
        assert champions.refresh(connection, base, now=NOW) is None  # challengers change nothing

        assert store_artefacts.promote(connection, VERSION, "maps", one, deed=DEED) is None
        running = champions.refresh(connection, base, now=NOW)
        assert running is not None
        assert isinstance(running[0], MappedPredictor)
        assert running[0].maps.stretch == 1.5

        assert store_artefacts.promote(connection, VERSION, "maps", two, deed=DEED) == one
        running = champions.refresh(connection, running, now=NOW)
        assert running is not None
        assert running[0].maps.stretch == 2.5  # type: ignore[attr-defined]

        assert store_artefacts.roll_back(connection, VERSION, "maps", deed=DEED) == one
        running = champions.refresh(connection, running, now=NOW)
        assert running is not None
        assert running[0].maps.stretch == 1.5  # type: ignore[attr-defined]
        states = {r["number"]: r["state"] for r in store_artefacts.fetch_all(connection)}
        assert states == {one: "champion", two: "retired"}

        audit = connection.execute("SELECT action FROM audit_events ORDER BY event_id").fetchall()
        assert [row[0] for row in audit].count("artefact.promote") == 2
        assert [row[0] for row in audit].count("artefact.rollback") == 1


def test_a_learner_is_a_shadow_until_it_is_promoted_and_again_after_rollback(pool: Pool) -> None:
    seed.seed_vehicles(pool, 1)
    version = f"{VERSION}+learned-1"
    champions = Champions()
    base = day_predictors()
    with pool.connection() as connection:
        store_artefacts.register(connection, trained(learner(), "learner"), deed=DEED)
        assert modes(connection) == {version: "shadow"}
        running = champions.refresh(connection, base, now=NOW)
        assert running is not None
        assert isinstance(running[-1], LearnedPredictor)
        assert len(running) == len(base) + 1

        connection.execute("INSERT INTO tenants (name) VALUES ('newcomer')")
        champions.refresh(connection, running, now=NOW)
        row = connection.execute(
            "SELECT count(DISTINCT tenant_id) FROM predictor_modes WHERE mode = 'shadow'"
        ).fetchone()
        assert row == (2,)

        store_artefacts.promote(connection, VERSION, "learner", 1, deed=DEED)
        assert modes(connection) == {version: "live", VERSION: "shadow"}

        assert store_artefacts.roll_back(connection, VERSION, "learner", deed=DEED) is None
        assert modes(connection) == {version: "off", VERSION: "live"}
        running = champions.refresh(connection, running, now=NOW)
        assert running is not None
        assert len(running) == len(base)


def test_a_tampered_artefact_is_left_out_and_the_physics_goes_on(pool: Pool) -> None:
    seed.seed_vehicles(pool, 1)
    champions = Champions()
    base = day_predictors()
    with pool.connection() as connection:
        store_artefacts.register(connection, trained(maps(1.5)), deed=DEED)
        store_artefacts.promote(connection, VERSION, "maps", 1, deed=DEED)
        connection.execute("UPDATE model_artefacts SET content = content || 'x'::bytea")

        running = champions.refresh(connection, base, now=NOW)

        assert running == base


def test_what_is_unknown_cannot_be_promoted_or_rolled_back(pool: Pool) -> None:
    seed.seed_vehicles(pool, 1)
    with pool.connection() as connection:
        with pytest.raises(ArtefactError, match="must be known"):
            store_artefacts.promote(connection, VERSION, "maps", 7, deed=DEED)
        with pytest.raises(ArtefactError, match="no champion"):
            store_artefacts.roll_back(connection, VERSION, "maps", deed=DEED)


def test_drift_finds_the_feature_that_moved_and_check_tells(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, 25)
    one = TireDaySet()
    rng = np.random.default_rng(1001)
    with pool.connection() as connection:
        spec = store.fetch_specs(connection, vehicles[:1])[vehicles[0]]
        day = np.arange(20_000, 20_060)
        for vehicle in vehicles:
            value = {f.name: rng.normal(size=(len(day), width(f, spec))) for f in one.features}
            moved = one.features[0].name
            value[moved][-10:] += 3.0
            found = DayFeatures(
                day=day, first_us=day * 86_400_000_000, last_us=day * 86_400_000_000, value=value
            )
            store_features.replace_days(connection, vehicle, [(one, day.tolist(), found)], spec=spec)

        told = measure_drift(connection, [one], live_days=10, reference_days=40, gap_days=5, now=NOW)

        assert [row["feature"] for row in told if row["is_drifted"]] == [moved]
        assert told[0]["feature"] == moved
        assert told[0]["live_count"] == 25
        checks = {c.name: c for c in check_database(connection, score_every_s=60.0)}
        assert f"1 of {len(one.features)} features have shifted (small {moved})" in checks["drift"].detail
        assert live_precision(connection) == []


def test_score_writes_what_a_champion_says_beside_the_risk_index(pool: Pool, database_url: str) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    curve = Curve(probability=np.linspace(0.0, 0.5, BINS), prevalence=0.01, method="isotonic")
    healthy = fit_healthy(np.full(BINS, 10.0), np.linspace(-15, 15, 3000))
    learned = RiskMaps(model_version=VERSION, curves={"all": curve}, healthy={"all": healthy})
    with pool.connection() as connection:
        store_artefacts.register(connection, trained(pack_maps(learned)), deed=DEED)
        store_artefacts.promote(connection, VERSION, "maps", 1, deed=DEED)
    seed.store_rows(pool, fortnight(vehicle, round(NOW.timestamp()) * 1_000_000, leak=3.0))

    with running(run_score, database_url):
        wait_for(pool, "SELECT count(*) FROM predictions WHERE model_version = %s", (VERSION,))

    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT model_version = %s, probability, calibrated, p_value FROM predictions", (VERSION,)
        ).fetchall()
    mapped = [row[1:] for row in rows if row[0]]
    assert any(p > 0.7 and 0.2 < calibrated < 0.5 and 0 < rare < 0.5 for p, calibrated, rare in mapped)
    assert all(row[2] is None and row[3] is None for row in rows if not row[0])

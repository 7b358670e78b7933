import numpy as np
import pytest

from simulators.chance import VehicleChance
from simulators.faults import Plan
from simulators.physics.powertrain import (
    COOLANT_J_PER_K,
    MOTOR_J_PER_K,
    PowertrainConstants,
    PowertrainState,
    advance_powertrain,
    cooling_health,
    motor_loss,
)
from simulators.physics.runaway import Runaway, run_away


@pytest.fixture(scope="module", params=["NCM", "LFP"])
def fire(request: pytest.FixtureRequest) -> Runaway:
    return run_away(
        np.random.default_rng(1),
        vehicle=0,
        begin_s=1000.0,
        cell=40,
        short_ohm=0.015,
        volts=3.9 if request.param == "NCM" else 3.3,
        cell_count=96,
        probe_count=24,
        capacity_ah=150.0,
        chemistry=request.param,
        degc=30.0,
    )


def test_cell_heats_at_first_by_the_power_of_its_short(fire: Runaway) -> None:
    volts = 3.9 if fire.cell_degc.max() > 700 else 3.3
    per_s = (fire.cell_degc[10, 40] - fire.cell_degc[0, 40]) / 10.0

    assert per_s == pytest.approx(volts**2 / 0.015 / 2700.0, rel=0.05)


def test_voltage_falls_by_a_quarter_before_the_probes_see_the_peak(fire: Runaway) -> None:
    drop = int(np.argmax(fire.cell_share[:, 40] < 0.75))
    peak = int(fire.probe_degc.max(axis=1).argmax())

    assert 0 < drop < peak
    assert (fire.cell_share[:, :30] == 1.0).all()


def test_warning_signs_come_after_the_beginning_of_the_runaway_and_in_minutes(fire: Runaway) -> None:
    hot = np.diff(fire.probe_degc.max(axis=1)) >= 1.0

    assert 0 <= int(np.argmax(hot)) - (fire.runs_s - fire.begin_s) < 240
    assert hot.sum() > 3
    assert fire.silent_s > fire.runs_s


def test_vented_gas_ruins_the_insulation(fire: Runaway) -> None:
    assert fire.insulation[0] == 1.0
    assert fire.insulation[-1] < 0.01


def test_sound_pack_with_a_weak_short_does_not_run_away() -> None:
    calm = run_away(
        np.random.default_rng(1),
        vehicle=0,
        begin_s=0.0,
        cell=3,
        short_ohm=1.0,
        volts=3.9,
        cell_count=96,
        probe_count=24,
        capacity_ah=150.0,
        chemistry="NCM",
        degc=30.0,
    )

    assert not np.isfinite(calm.runs_s)
    assert calm.cell_degc.max() < 60.0


def test_heat_of_the_drive_is_stored_or_shed_to_the_air() -> None:
    n = 4
    plan = Plan(n, ())
    c = PowertrainConstants.draw(plan, VehicleChance(1, n))
    air = np.full(n, 20.0)
    state = PowertrainState.at_rest(air)
    torque, omega = np.full(n, 60.0), np.full(n, 500.0)
    made = np.zeros(n)
    for _ in range(30):
        advance_powertrain(
            state,
            c,
            cooling_health(c, np.zeros(n)),
            dt_s=np.ones(n),
            rub_nm=np.zeros(n),
            solder=np.ones(n),
            torque_nm=torque,
            omega=omega,
            speed_mps=np.full(n, 18.0),
            ambient_degc=air,
            pack_degc=air,
            pack_w_per_k=np.zeros(n),
            needs_pump=np.ones(n, np.bool_),
        )
        made += motor_loss(c, torque, omega, np.zeros(n))
    stored = MOTOR_J_PER_K * (state.motor_degc - 20.0)
    warmed = COOLANT_J_PER_K * (state.coolant_degc - 20.0)

    assert (stored < made).all()
    assert (stored > 0.85 * made).all()
    assert (warmed > 0).all()
    assert (state.inverter_degc > state.coolant_degc).all()


def test_a_step_of_a_minute_ends_where_sixty_of_a_second_end() -> None:
    n = 3
    plan = Plan(n, ())
    c = PowertrainConstants.draw(plan, VehicleChance(1, n))
    air = np.full(n, 10.0)
    ends = []
    for steps in (60, 2):
        state = PowertrainState.at_rest(air)
        for _ in range(steps * 10):
            advance_powertrain(
                state,
                c,
                cooling_health(c, np.zeros(n)),
                dt_s=np.full(n, 60.0 / steps),
                rub_nm=np.zeros(n),
                solder=np.ones(n),
                torque_nm=np.full(n, 40.0),
                omega=np.full(n, 400.0),
                speed_mps=np.full(n, 15.0),
                ambient_degc=air,
                pack_degc=air,
                pack_w_per_k=np.zeros(n),
                needs_pump=np.ones(n, np.bool_),
            )
        ends.append((state.motor_degc, state.coolant_degc, state.inverter_degc))
    for fine, coarse in zip(*ends, strict=True):
        np.testing.assert_allclose(coarse, fine, atol=0.3)

"""The gas in the tires from day to day: permeation, leaks, refills, changed wheels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, Severity
from simulators.day_level.chance import Floats, Ints
from simulators.day_level.plan import Course, Plan, first_day_below
from simulators.day_level.population import Population
from simulators.day_level.scene import Scene
from simulators.day_level.usage import Usage

AIR_KPA = 101.325
#: Ratio of outer to inner pressure below which an orifice is choked (air, isentropic exponent 1.4).
CHOKED = 0.528


@dataclass(slots=True, kw_only=True)
class Gas:
    """Absolute pressure at 20 °C through each day, and which sensor sits where; (F, D, W)."""

    begin_kpa: Floats  #: about the first third of the day's readings
    amount_kpa: Floats  #: about the middle of them
    end_kpa: Floats
    morning_kpa: Floats  #: when the day begins
    filled_kpa: Floats  #: likewise, with what was done to the wheel during the day
    evening_kpa: Floats  #: when the day ends
    done: Floats  #: (F, D) share of the day's readings after which it was done; negative: nothing was
    wheel_set: Ints  #: (F, D) 0, or 1 once other wheels are on
    seat: Ints  #: (F, D, W) which of the wheels sits there
    courses: list[Course]


@dataclass(slots=True, kw_only=True)
class _Leaks:
    """Leaks of a part; (F, W) unless said otherwise."""

    k_per_kpa_day: Floats  #: capillary: dP/dt = -k (P² - P_air²)
    c_per_day: Floats  #: choked orifice: dP/dt = -c P
    needs: Ints  #: (F,) 0 always, 1 only fast, 2 only below 0 °C
    tops_up_below_kpa: Floats  #: (F,) below placard; 0: left alone


def run_gas(scene: Scene) -> Gas:
    """Return the gas of every wheel.

    Permeation 2.5-9 kPa in 30 days at 20 °C, 3 % more per kelvin. Owners refill about every 120 days to
    within 4 kPa; a leaking wheel is left alone until it fails, unless it is topped up.
    """
    who, usage, plan = scene.who, scene.usage, scene.plan
    n_wheels = len(who.spec.wheels)
    n, days = scene.shape
    topic = scene.chance.topic("tire gas")
    u = topic.uniform(2, n_wheels).astype(np.float64)
    own = topic.uniform(4).astype(np.float64)
    fill = topic.normal(days // 60 + 4, n_wheels).astype(np.float64)
    placard = np.asarray(who.spec.placard_kpa, np.float64)
    permeation = (2.5 + 6.5 * u[:, 0]) / 30.0
    leaks = _leaks(plan, placard, u[:, 1], usage)
    amount = placard + AIR_KPA + 8.0 * (own[:, :1] - 0.6) + 3.0 * fill[:, 0]
    next_fill = 120.0 * own[:, 1]
    seat = np.broadcast_to(np.arange(n_wheels), (n, n_wheels)).copy()
    out = Gas(
        begin_kpa=np.zeros((n, days, n_wheels)),
        amount_kpa=np.zeros((n, days, n_wheels)),
        end_kpa=np.zeros((n, days, n_wheels)),
        morning_kpa=np.zeros((n, days, n_wheels)),
        filled_kpa=np.zeros((n, days, n_wheels)),
        evening_kpa=np.zeros((n, days, n_wheels)),
        done=np.full((n, days), -1.0),
        wheel_set=np.zeros((n, days), np.int64),
        seat=np.zeros((n, days, n_wheels), np.int64),
        courses=[],
    )
    is_leak = (leaks.k_per_kpa_day + leaks.c_per_day).any(1)
    filled = np.ones(n, np.int64)
    for day in range(days):
        morning = amount
        left_alone = is_leak & (leaks.tops_up_below_kpa == 0) & (day >= plan.onset_day)
        due = (day >= next_fill) & ~left_alone
        aim = placard + AIR_KPA + 4.0 * fill[np.arange(n), np.minimum(filled, fill.shape[1] - 1)]
        amount = np.where(due[:, None], aim, amount)
        filled += due
        next_fill = np.where(due, day + 120.0 * (0.75 + 0.5 * ((own[:, 2] + 0.37 * filled) % 1.0)), next_fill)
        amount, seat = _service(plan, day, amount, (aim, placard), (out, seat))
        low = (amount < placard + AIR_KPA - leaks.tops_up_below_kpa[:, None]) & (
            leaks.tops_up_below_kpa[:, None] > 0
        )
        amount = np.where(low & (leaks.k_per_kpa_day > 0), aim, amount)
        serviced, before = amount != morning, amount
        warm = np.maximum(1.0 + 0.03 * (usage.degc[:, day] - 20.0), 0.1)[:, None]
        part = np.clip(day + 1 - plan.onset_day, 0.0, 1.0) * _active(leaks, usage, day)
        amount = _lose(amount - permeation * warm, leaks, part[:, None])
        # usage begins about 07:30 and ends about 20:00; what was done to a wheel was done somewhere between
        part_done = np.where(serviced, (own[:, 3:] + 0.61 * day) % 1.0, -1.0)
        for values, clock, order in (
            (out.begin_kpa, 0.38, 0.17),
            (out.amount_kpa, 0.55, 0.5),
            (out.end_kpa, 0.75, 0.83),
        ):
            values[:, day] = np.where(part_done < order, before, morning) + clock * (amount - before)
        out.morning_kpa[:, day], out.filled_kpa[:, day], out.evening_kpa[:, day] = morning, before, amount
        out.done[:, day] = part_done.max(1)
        out.seat[:, day] = seat
    out.courses = _courses(who, plan, leaks, out.amount_kpa, placard)
    return out


def _leaks(plan: Plan, placard: Floats, seed: Floats, usage: Usage) -> _Leaks:
    n, n_wheels = seed.shape
    leaks = _Leaks(
        k_per_kpa_day=np.zeros((n, n_wheels)),
        c_per_day=np.zeros((n, n_wheels)),
        needs=np.zeros(n, np.int64),
        tops_up_below_kpa=np.zeros(n),
    )
    slow, topped = plan.rows(FailureMode.TIRE_SLOW_LEAK), plan.rows(FailureMode.TIRE_TOPPED_UP_LEAK)
    rows = np.concatenate([slow, topped])
    wheel = np.minimum((plan.u[rows, 1] * n_wheels).astype(np.int64), n_wheels - 1)
    # 0.5-60 kPa/day for the one, 1-6 for the other
    rate = np.where(
        np.arange(len(rows)) < len(slow), 0.5 * 120.0 ** plan.u[rows, 0], 1.0 * 6.0 ** plan.u[rows, 0]
    )
    inside = placard[wheel] + AIR_KPA
    is_orifice = (rate > 15.0) & (plan.u[rows, 2] < 0.6)
    seldom = (plan.u[rows, 3] < 0.15) & (np.arange(len(rows)) < len(slow))
    is_cold = (usage.night_degc[rows] < 0.0).mean(1) > 0.15
    leaks.needs[rows] = np.where(seldom, np.where(is_cold, 2, 1), 0)
    leaks.k_per_kpa_day[rows, wheel] = np.where(is_orifice, 0.0, rate / (inside**2 - AIR_KPA**2))
    leaks.c_per_day[rows, wheel] = np.where(is_orifice, rate / inside, 0.0)
    leaks.tops_up_below_kpa[topped] = 15.0 + 20.0 * plan.u[topped, 4]
    return leaks


def _active(leaks: _Leaks, usage: Usage, day: int) -> Floats:
    """Return the share of the day on which a leak is open; (F,)."""
    swing = usage.weather.swing_degc[:, day]
    mean = usage.weather.mean_degc[:, day]
    cold = np.clip((swing - mean) / (2.0 * swing), 0.0, 1.0)
    fast = np.clip(usage.highway_h[:, day] / 2.0, 0.0, 1.0)
    return np.asarray(np.select([leaks.needs == 1, leaks.needs == 2], [fast, cold], 1.0))


def _lose(amount: Floats, leaks: _Leaks, dt_days: Floats) -> Floats:
    """Return what is left after ``dt_days``; both laws in closed form, at the air's own pressure at least."""
    ratio = (amount - AIR_KPA) / (amount + AIR_KPA) * np.exp(-2 * AIR_KPA * leaks.k_per_kpa_day * dt_days)
    capillary = AIR_KPA * (1 + ratio) / np.maximum(1 - ratio, 1e-6)
    choked_to = AIR_KPA / CHOKED
    orifice = amount * np.exp(-leaks.c_per_day * dt_days)
    slower = np.maximum(choked_to - (choked_to - orifice) * 0.5, AIR_KPA)
    orifice = np.where(orifice < choked_to, slower, orifice)
    return np.maximum(np.where(leaks.c_per_day > 0, orifice, capillary), AIR_KPA)


def _service(
    plan: Plan, day: int, amount: Floats, fill: tuple[Floats, Floats], wheels: tuple[Gas, Ints]
) -> tuple[Floats, Ints]:
    """Return gas and seats after what was done to the wheels on a day."""
    (aim, placard), (out, seat) = fill, wheels
    n_wheels = amount.shape[1]
    today = np.floor(plan.onset_day) == day
    if not today.any():
        return amount, seat
    wheel = np.minimum((plan.u[:, 1:2] * n_wheels).astype(np.int64), n_wheels - 1)
    lift = 12.0 + 20.0 * plan.u[:, :1]
    after = np.where((today & (plan.kind == "refill"))[:, None], np.maximum(amount + lift, aim), amount)
    # set to placard while 10-25 K warmer than the air
    hot = (placard + AIR_KPA) / (1.0 + (10.0 + 15.0 * plan.u[:, 2:3]) / 293.15) + aim - placard - AIR_KPA
    after = np.where((today & (plan.kind == "hot_set_refill"))[:, None], hot, after)
    is_one = (np.arange(n_wheels) == wheel) & (today & (plan.kind == "single_top_up"))[:, None]
    after = np.where(is_one, amount + lift, after)
    order = np.roll(np.arange(n_wheels), n_wheels // 2)
    swaps = (today & (plan.kind == "rotation"))[:, None]
    after, seat = np.where(swaps, after[:, order], after), np.where(swaps, seat[:, order], seat)
    changes = today & (plan.kind == "winter_wheels")
    out.wheel_set[changes, day:] = 1
    return np.where(changes[:, None], aim + 6.0 * (plan.u[:, 3:4] - 0.5), after), seat


def _courses(who: Population, plan: Plan, leaks: _Leaks, amount: Floats, placard: Floats) -> list[Course]:
    courses = []
    for row in np.flatnonzero((leaks.k_per_kpa_day + leaks.c_per_day).any(1)).tolist():
        wheel = int((leaks.k_per_kpa_day + leaks.c_per_day)[row].argmax())
        inside = placard[wheel] + AIR_KPA
        rate = float(
            leaks.k_per_kpa_day[row, wheel] * (inside**2 - AIR_KPA**2) + leaks.c_per_day[row, wheel] * inside
        )
        gauge = amount[row, :, wheel] - AIR_KPA
        onset = float(plan.onset_day[row])
        threshold, failure = (first_day_below(gauge, share * placard[wheel], onset) for share in (0.75, 0.6))
        if leaks.tops_up_below_kpa[row] > 0:
            # left alone: without what its owner puts in
            threshold = onset + _capillary_days(rate, gauge[max(int(onset) - 1, 0)], placard[wheel])
            failure = np.inf
        urgent = threshold < plan.days + 2.0
        courses.append(
            Course(
                row=row,
                component=f"tire {who.spec.wheels[wheel]}",
                magnitude=round(rate, 3),
                unit="kPa/day",
                onset_day=onset,
                threshold_day=threshold,
                failure_day=failure,
                severity=Severity.S2 if urgent else Severity.S3,
            )
        )
    return courses


def _capillary_days(rate_kpa_per_day: float, from_kpa: float, placard_kpa: float) -> float:
    """Return how long a capillary leak takes from a gauge pressure down to three quarters of placard.

    dP/dt = -k (P² - P_air²) has the solution (P - P_air)/(P + P_air) falling as exp(-2 k P_air t); the rate
    is the one at placard.
    """
    inside = placard_kpa + AIR_KPA
    k = rate_kpa_per_day / (inside**2 - AIR_KPA**2)
    level, limit = (gauge / (gauge + 2 * AIR_KPA) for gauge in (from_kpa, 0.75 * placard_kpa))
    return float(np.log(max(level / limit, 1.0)) / (2 * k * AIR_KPA))

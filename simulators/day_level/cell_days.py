"""Daily features of cells and of their sensors."""

from __future__ import annotations

import numpy as np

from simulators.day_level.cell_charge import CellCharge
from simulators.day_level.chance import Floats, Singles
from simulators.day_level.chemistry import open_circuit_v, slope_mv_per_percent, trust_in_voltage
from simulators.day_level.scene import Scene

#: One reading of a cell: electrical noise and resolution of 1 mV.
_READ_MV = float(np.hypot(0.6, 1.0 / np.sqrt(12.0)))
_MEDIAN = 1.2533
#: Constant error of a measuring channel, cut off at twice of it.
_CHANNEL_MV = 1.0
#: Typical curves and this vehicle's differ in slope by this part.
_CURVE = 0.08
_OHM_AH = 0.12  #: resistance of a cell of the median age by its capacity at 25 °C
_LFP_FULL = 0.985


def cell_features(scene: Scene, cells: CellCharge) -> tuple[dict[str, Singles], dict[str, Singles]]:
    """Return the features of the sets ``cell_days`` and ``cell_sensor_days``.

    Shapes (F, D, N) by cell, (F, D, P) by probe, (F, D) of the pack.
    """
    n, days = scene.shape
    spec, usage, u = scene.spec, scene.usage, scene.plan.u
    width = spec.cell_count
    topic = scene.chance.topic("cell sensors")
    channel = _CHANNEL_MV * np.clip(topic.normal(width), -2.0, 2.0)
    own = topic.normal(2).astype(np.float64)
    luck = topic.uniform(2, days).astype(np.float64)
    rested = usage.is_heard & (luck[:, 0] > 0.01)
    channels = np.broadcast_to(channel[:, None], (n, days, width)).copy()
    since = scene.since
    new_scale = (scene.has("scale_change")[:, None] & (since >= 0))[..., None]
    channels += np.where(new_scale, 2.0 * topic.normal(width)[:, None], 0.0).astype(np.float32)
    warm_end = scene.has("warm_string_end")[:, None, None]
    gradient = (
        np.linspace(0.0, 1.0, width) ** 4 * 8.0 * np.clip((usage.degc - 10.0) / 20.0, 0.0, 1.0)[..., None]
    )
    channels -= np.where(warm_end, gradient, 0.0).astype(np.float32)
    _loosen(scene, channels, luck[:, 1])

    z = usage.rest_soc
    lowest = np.where(scene.has("deep_discharge")[:, None] & (since >= 0) & (since < 20), 0.05, 1.0)
    z = np.minimum(z, lowest)
    # a smaller cell is emptied and filled faster; all meet where the pack is full
    top = np.nanmax(np.where(np.isfinite(usage.charged_to), usage.charged_to, 0.8), axis=1)[:, None]
    away = cells.offset - ((top - z)[..., None] * (1.0 / cells.capacity - 1.0)).astype(np.float32)
    away -= np.median(away, axis=2, keepdims=True)
    mine = np.exp(_CURVE * own[:, :1])[..., None]
    middle_v = open_circuit_v(z, spec.chemistry)
    volts = np.maximum(open_circuit_v(z[..., None] + away, spec.chemistry), 0.0)
    readings = np.clip(np.where(usage.drives, usage.rest_h - 1.0, 24.0), 2.0, 24.0)
    error = (_MEDIAN * _READ_MV / np.sqrt(readings)).astype(np.float32)
    deviation = (1000.0 * (volts - middle_v[..., None]) * mine).astype(np.float32)
    deviation += channels
    deviation += error[..., None] * topic.normal(days, width)
    deviation -= np.median(deviation, axis=2, keepdims=True)
    trust = np.where(rested, trust_in_voltage(z, spec.chemistry), np.nan)
    known = (trust > 0)[..., None]
    slope = np.maximum(slope_mv_per_percent(z, spec.chemistry), 3.0)
    shown = np.where(known, deviation, np.float32(np.nan))
    spread = deviation.max(2) - deviation.min(2)
    soc = (
        z
        + 0.005 * own[:, 1:2]
        + np.where(scene.has("soc_drift")[:, None] & (since >= 0), 0.06 * np.sin(since / 9.0), 0.0)
    )
    charged = {
        "deficit_percent": -shown / slope[..., None].astype(np.float32),
        "deviation_mv": shown,
        "weight": np.where(rested, np.nan_to_num(trust), np.nan),
        "rest_soc_percent": np.where(rested, np.round(200.0 * np.clip(soc, 0.0, 1.0)) / 2.0, np.nan),
        "rest_spread_mv": np.where(rested, spread, np.nan),
        "lag_percent": _lag(scene, cells, topic.normal(days, width) if spec.chemistry == "LFP" else None),
        **_resistance(scene, cells, topic.normal(days, width)),
    }
    sensors = _sensors(scene, topic.normal(days, width), u)
    return charged, sensors


def _loosen(scene: Scene, channels: Singles, luck: Floats) -> None:
    """Add what a loose sense wire takes from one cell and gives to the next, on some days."""
    width = channels.shape[2]
    cell = np.minimum(scene.picked(width), width - 2)
    is_on = scene.has("loose_sense_wire")[:, None] & (scene.since >= 0) & (luck < 0.4)
    swing = np.where(is_on, 50.0 * (2.0 * (luck / 0.4 * 7.0 % 1.0) - 1.0), 0.0).astype(np.float32)
    rows = np.arange(len(cell))[:, None]
    day = np.arange(channels.shape[1])[None, :]
    channels[rows, day, cell[:, None]] += swing
    channels[rows, day, cell[:, None] + 1] -= swing


def _lag(scene: Scene, cells: CellCharge, noise: Singles | None) -> Singles:
    """Return how much charge each cell is behind the median one at the top of a charge; LFP only."""
    usage = scene.usage
    if noise is None:
        return np.full(cells.offset.shape, np.nan, np.float32)
    is_full = usage.is_heard & usage.is_charged & (usage.charged_to >= _LFP_FULL)
    behind = -100.0 * cells.offset
    behind -= np.median(behind, axis=2, keepdims=True)
    behind += np.float32(0.08) * noise
    return np.where(is_full[..., None], np.maximum(behind, -5.0), np.float32(np.nan)).astype(np.float32)


def _resistance(scene: Scene, cells: CellCharge, noise: Singles) -> dict[str, Singles]:
    """Return each cell's resistance over the median cell's, and the median one, from steps of current."""
    usage, who = scene.usage, scene.who
    is_sampled = scene.chance.topic("cell sampling").uniform()[:, None] < 0.7
    steps = 90.0 * usage.drive_h * np.clip(150.0 / scene.spec.capacity_ah, 0.5, 2.0)
    known = usage.is_heard & usage.drives & is_sampled & (steps >= 30.0)
    pack_degc = np.clip(usage.degc + 4.0 + 4.0 * np.minimum(usage.drive_h, 2.0), -20.0, 45.0)
    arrhenius = np.exp(22_000.0 / 8.314 * (1.0 / (pack_degc + 273.15) - 1.0 / 298.15))
    aged = 1.0 + 0.03 * who.age_years[:, None]
    mohm = 1000.0 * _OHM_AH / scene.spec.capacity_ah * arrhenius * aged
    # steps of about half a C: noise of two readings over the fall of voltage
    fall_mv = 0.5 * scene.spec.capacity_ah * mohm
    error = 1.4142 * _READ_MV / fall_mv / np.sqrt(np.maximum(steps, 1.0))
    ratio = cells.resistance / np.median(cells.resistance, axis=2, keepdims=True)
    ratio = ratio + error[..., None].astype(np.float32) * noise
    middle = mohm * (1.0 + 0.03 * noise[:, :, 0])
    return {
        "resistance_ratio": np.where(known[..., None], ratio, np.float32(np.nan)),
        "resistance_mohm": np.where(known, middle, np.nan).astype(np.float32),
    }


def _sensors(scene: Scene, noise: Singles, u: Floats) -> dict[str, Singles]:
    """Return what tells a broken measurement from a broken cell."""
    n, days = scene.shape
    usage, since = scene.usage, scene.since
    width, probes = scene.spec.cell_count, max(1, scene.spec.probe_count)
    rows = 60.0 * usage.drive_h + np.where(usage.is_charged, 250.0, 0.0) + 24.0
    heard = usage.is_heard & (rows >= 60.0)
    covariance = (3.0 * _READ_MV**2 / np.sqrt(rows))[..., None].astype(np.float32) * (noise + np.float32(0.4))
    cell = np.minimum(scene.picked(width), width - 2)
    is_on = scene.has("loose_sense_wire")[:, None] & (since >= 0)
    swing = np.where(is_on & (noise[:, :, 0] > -0.5), 15.0 + 20.0 * u[:, 2:3], 0.0)
    at = (np.arange(n)[:, None], np.arange(days)[None, :], cell[:, None])
    covariance[at] = np.where(swing > 0, -(swing**2), covariance[at])
    wire = np.sqrt(np.maximum(-covariance, 0.0))
    wire[..., -1] = np.nan
    topic = scene.chance.topic("probes")
    offset = 0.6 * topic.normal(probes)[:, None] + 0.15 * topic.normal(days, probes)
    offset = np.round(offset - np.median(offset, axis=2, keepdims=True))
    can_compare = usage.is_heard & (usage.rest_h >= 6.0) & (probes >= 3)
    moved = usage.is_heard & usage.drives & (usage.drive_h > 0.5) & (probes >= 3)
    missing = np.float32(np.nan)
    return {
        "wire_swing_mv": np.where(heard[..., None], wire, missing),
        "bad_share": np.where(heard[..., None], np.zeros((n, days, width), np.float32), missing),
        "probe_offset_k": np.where(can_compare[..., None], offset, missing),
        "probe_still_share": np.where(moved[..., None], np.zeros((n, days, probes), np.float32), missing),
    }

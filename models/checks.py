"""Promises that every day predictor keeps; tests hold each predictor to each of them."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data.records import FailureMode
from models.errors import CheckFailed
from models.predictors.base import DayPanel, Predictor, Risk, history_days

Check = Callable[[Predictor, DayPanel], None]


def yield_checks(predictors: Sequence[Predictor]) -> Iterator[tuple[Predictor, Check]]:
    """Yield every predictor with every check."""
    for predictor in predictors:
        for check in (
            check_names,
            check_docstring,
            check_shapes,
            check_inputs_unchanged,
            check_deterministic,
            check_later_days_unknown,
            check_history,
            check_vehicles_apart,
            check_missing_values,
            check_quantiles_in_order,
            check_explains,
            check_pickles,
        ):
            yield predictor, check


def check_names(predictor: Predictor, panel: DayPanel) -> None:
    """The failure mode is a known one, the version and the components are named, the horizon is positive."""
    _require(isinstance(predictor.failure_mode, FailureMode), "failure_mode: must be a FailureMode")
    _require(bool(predictor.model_version), "model_version: must not be empty")
    _require(predictor.horizon_h > 0, "horizon_h: must be above 0")
    names = {predictor.component_name(panel.spec, i) for i in range(panel.value.shape[2])}
    _require(len(names) == panel.value.shape[2], "component_name: must differ between components")


def check_docstring(predictor: Predictor, panel: DayPanel) -> None:
    """The class says what it finds."""
    del panel
    _require(bool(inspect.getdoc(type(predictor))), "the class has no docstring")


def check_shapes(predictor: Predictor, panel: DayPanel) -> None:
    """Arrays are (vehicles, as-of days, components); probabilities lie in 0-1 or are missing."""
    risk = predictor.predict(panel, _all_days(panel))
    shape = panel.value.shape
    _require(risk.probability.shape == shape, f"probability: shape {risk.probability.shape}, not {shape}")
    _require(risk.severity.shape == shape, f"severity: shape {risk.severity.shape}, not {shape}")
    _require(risk.ttt_h.shape == (3, *shape), f"ttt_h: shape {risk.ttt_h.shape}, not {(3, *shape)}")
    known = risk.probability[np.isfinite(risk.probability)]
    _require(bool(((known >= 0) & (known <= 1)).all()), "probability: must be from 0 to 1")
    _require(bool(((risk.severity >= 0) & (risk.severity <= 4)).all()), "severity: must be from 0 to 4")


def check_inputs_unchanged(predictor: Predictor, panel: DayPanel) -> None:
    """Nothing is written into the panel."""
    before = pickle.dumps(panel)
    predictor.predict(panel, _all_days(panel))
    _require(pickle.dumps(panel) == before, "predict: changed its input")


def check_deterministic(predictor: Predictor, panel: DayPanel) -> None:
    """The same input gives the same bits."""
    first, second = (predictor.predict(panel, _all_days(panel)) for _ in range(2))
    _require(_is_same(first, second), "predict: two calls differ")


def check_later_days_unknown(predictor: Predictor, panel: DayPanel) -> None:
    """The risk as of a day knows nothing of later days, and does not depend on which days are asked for."""
    whole = predictor.predict(panel, _all_days(panel))
    day = len(panel.day) // 2
    cut = dataclasses.replace(
        panel,
        day=panel.day[: day + 1],
        value=panel.value[:, : day + 1],
        weight=panel.weight[:, : day + 1],
        first_us=panel.first_us[:, : day + 1],
        last_us=panel.last_us[:, : day + 1],
        extra={name: values[:, : day + 1] for name, values in panel.extra.items()},
    )
    alone = predictor.predict(cut, np.array([day], dtype=np.int64))
    same = np.array_equal(whole.probability[:, day], alone.probability[:, 0], equal_nan=True)
    _require(same, f"predict: the risk as of day {day} changes with later days")


def check_history(predictor: Predictor, panel: DayPanel) -> None:
    """The risk as of a day knows nothing of days before ``history_days``: live scoring reads no more."""
    n_days = history_days(predictor)
    times = -(-(n_days + len(panel.day) // 2) // len(panel.day))
    whole = dataclasses.replace(
        panel,
        day=panel.day[0] + np.arange(times * len(panel.day), dtype=np.int64),
        value=np.tile(panel.value, (1, times, 1)),
        weight=np.tile(panel.weight, (1, times, 1)),
        first_us=np.tile(panel.first_us, (1, times)),
        last_us=np.tile(panel.last_us, (1, times)),
        extra={
            name: np.tile(values, (1, times, *[1] * (values.ndim - 2)))
            for name, values in panel.extra.items()
        },
    )
    recent = slice(len(whole.day) - n_days, None)
    cut = dataclasses.replace(
        whole,
        day=whole.day[recent],
        value=whole.value[:, recent],
        weight=whole.weight[:, recent],
        first_us=whole.first_us[:, recent],
        last_us=whole.last_us[:, recent],
        extra={name: values[:, recent] for name, values in whole.extra.items()},
    )
    first = predictor.predict(whole, np.array([len(whole.day) - 1], dtype=np.int64))
    second = predictor.predict(cut, np.array([n_days - 1], dtype=np.int64))
    _require(_is_same(first, second), f"predict: the risk changes with days before the last {n_days}")


def check_vehicles_apart(predictor: Predictor, panel: DayPanel) -> None:
    """A vehicle's risk does not depend on who else is in the panel."""
    whole = predictor.predict(panel, _all_days(panel))
    one = dataclasses.replace(
        panel,
        vehicle_id=panel.vehicle_id[-1:],
        value=panel.value[-1:],
        weight=panel.weight[-1:],
        first_us=panel.first_us[-1:],
        last_us=panel.last_us[-1:],
        extra={name: values[-1:] for name, values in panel.extra.items()},
    )
    alone = predictor.predict(one, _all_days(panel))
    same = np.array_equal(whole.probability[-1], alone.probability[0], equal_nan=True)
    _require(same, "predict: a vehicle's risk changes with the other vehicles")


def check_missing_values(predictor: Predictor, panel: DayPanel) -> None:
    """A panel without a single value gives no risk, and no error."""
    empty = dataclasses.replace(
        panel,
        value=np.full_like(panel.value, np.nan),
        weight=np.zeros_like(panel.weight),
        extra={name: np.full_like(values, np.nan) for name, values in panel.extra.items()},
    )
    risk = predictor.predict(empty, _all_days(panel))
    _require(not (np.nan_to_num(risk.probability) > 0.2).any(), "predict: sees a risk in no data")


def check_quantiles_in_order(predictor: Predictor, panel: DayPanel) -> None:
    """Times to the threshold are not negative and p10 <= p50 <= p90."""
    ttt = predictor.predict(panel, _all_days(panel)).ttt_h
    known = np.isfinite(ttt).all(0)
    p10, p50, p90 = ttt[:, known]
    ordered = (p10 >= 0).all() and (p10 <= p50).all() and (p50 <= p90).all()
    _require(bool(ordered), "ttt_h: quantiles are negative or out of order")


def check_explains(predictor: Predictor, panel: DayPanel) -> None:
    """The worst element has reasons in both languages and an evidence series of one length."""
    risk = predictor.predict(panel, _all_days(panel))
    vehicle, position, component = (
        int(i) for i in np.unravel_index(np.nan_to_num(risk.probability).argmax(), risk.probability.shape)
    )
    why = predictor.explain(panel, risk, vehicle, position, component)
    _require(len(why.reasons) > 0, "explain: no reason")
    _require(
        all(r.text_en and r.text_zh and r.unit for r in why.reasons), "explain: a reason lacks text or unit"
    )
    lengths = {len(values) for values in why.evidence["series"].values()}
    _require(lengths == {len(why.evidence["time"])}, "explain: evidence series differ in length")


def check_pickles(predictor: Predictor, panel: DayPanel) -> None:
    """A predictor survives pickling with the same results."""
    copy = pickle.loads(pickle.dumps(predictor))  # noqa: S301 - what was written a line ago
    same = _is_same(predictor.predict(panel, _all_days(panel)), copy.predict(panel, _all_days(panel)))
    _require(same, "predict: differs after pickling")


def _all_days(panel: DayPanel) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(len(panel.day), dtype=np.int64)


def _is_same(first: Risk, second: Risk) -> bool:
    return (
        np.array_equal(first.probability, second.probability, equal_nan=True)
        and np.array_equal(first.severity, second.severity)
        and np.array_equal(first.ttt_h, second.ttt_h, equal_nan=True)
    )


def _require(is_kept: bool, rule: str) -> None:
    if not is_kept:
        raise CheckFailed(rule)

"""The report: one page with tables and plots, and a card for each predictor, without any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.errors import EvaluationError
from models.evaluation import plots
from models.evaluation.cards import Card
from models.evaluation.page import number, page, span, stamp, table, words
from models.evaluation.text import lasting
from models.evaluation.thermal_timing import timing_table

_READING = (
    "An event is a fault that reaches its limit within the run. It is found by an alert on its component,"
    " after its onset and early enough to act; later alerts count as misses. False alerts are episodes on"
    " healthy vehicles, most of which carry a harmless look-alike; the bound is the exact one-sided 95 %"
    " one of the Poisson rate. A baseline's recall stands at its own false alerts, and at ours: at the level"
    " at which it alerts as many healthy vehicles as Anxin does, set on those that are judged; of a rule that"
    " says yes or no so large a share of its alerts is followed. Precision is that in the field: from the low"
    " prevalence with the upper bound to the high prevalence with the rate measured."
)


def write_report(folder: Path, result: Mapping[str, Any], cards: Sequence[Card]) -> None:
    """Write ``index.html`` and ``card-<model>.html`` into a folder, which is made where it is not there.

    Raises:
        EvaluationError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(report_page(result, cards), "utf-8")
        for card in cards:
            (folder / _file_of(card)).write_text(card_page(card, result), "utf-8")
    except OSError as error:
        raise EvaluationError(f"report {str(folder)!r}: cannot be written ({error.strerror})") from error


def report_page(result: Mapping[str, Any], cards: Sequence[Card]) -> str:
    """Return the page of the whole evaluation."""
    run = result.get("run", {})
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in run.items())
    parts = [
        "<h1>How good the predictions are</h1>",
        f"<p>{stamp(result)} {escape(facts)}; level {escape(str(result['level']))}</p>",
        f"<p>{_READING}</p>",
        _overview(result),
    ]
    parts += [_mode_section(mode, found, result) for mode, found in result["modes"].items()]
    if "thermal_timing" in result:
        parts += ["<h2>Abuse tests of cells, recorded</h2>", table(*timing_table(result["thermal_timing"]))]
    links = (
        f'<li><a href="{_file_of(c)}">{escape(c.name)}</a>: {escape(words(c.failure_mode))}</li>'
        for c in cards
    )
    parts.append(f"<h2>Model cards</h2><ul>{''.join(links)}</ul>")
    return page("How good the predictions are", parts)


def card_page(card: Card, result: Mapping[str, Any]) -> str:
    """Return the page of one predictor."""
    found = _figures_of(card, result["modes"])
    spots = "".join(f"<li>{escape(spot)}</li>" for spot in card.blind_spots) or "<li>not stated</li>"
    features = table(
        ("feature", "unit", "one for each", "window", "least evidence", "missing when"),
        [
            (f.name, f.unit or "1", f.axis.value, f.window, f.least_evidence, f.missing_when)
            for f in card.features
        ],
    )
    thresholds = table(("threshold", "value"), [(n, str(v)) for n, v in card.thresholds.items()])
    parts = [
        f"<h1>{escape(card.name)}</h1>",
        f"<p>Failure mode: {escape(words(card.failure_mode))}; horizon {card.horizon_h / 24:.3g} days.</p>",
        f"<h2>What it finds, and how</h2><pre>{escape(card.finds)}</pre>",
        f"<h2>What it cannot see</h2><ul>{spots}</ul>",
        f"<h2>What it sees</h2><p>{escape(card.sees)}</p>{features if card.features else ''}",
        f"<h2>Thresholds</h2>{thresholds}<h2>Training</h2><p>{escape(card.learned)}</p>",
    ]
    if found:
        parts += [f"<h2>Measured {stamp(result)}</h2>", _figures(found), _plots(found)]
    return page(card.name, parts)


def _figures_of(card: Card, modes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the figures that a predictor or rule has its part in: days and seconds of one mode differ."""
    named = (modes.get(name) for name in (f"{card.failure_mode}_live", card.failure_mode))
    return next((found for found in named if found and card.name in found["detector"].split(", ")), None)


def _overview(result: Mapping[str, Any]) -> str:
    rows = []
    for mode, found in result["modes"].items():
        rows.append(_overview_row(f"<b>{escape(words(mode))}</b>", found, is_judged=True))
        rows += [
            _overview_row(f"&emsp;{escape(words(name))}", modes[mode], is_judged=False)
            for name, modes in result["baselines"].items()
            if mode in modes
        ]
    head = "".join(
        f"<th>{h}</th>"
        for h in (
            "", "events", "recall", "95 %", "target", "at our false alerts",
            "false per 1,000 days", "upper bound", "target",
            "lead P50", "target", "delay", "precision",
        )
    )  # fmt: skip
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _overview_row(name: str, found: Mapping[str, Any], *, is_judged: bool) -> str:
    target = found["target"] if is_judged else {}
    recall, rate, lead = found["recall"], found["false_per_1000_vehicle_days"], found["lead_h"]["p50"]
    precision = found["precision_in_field"]
    cells = (
        name,
        str(found["events"]),
        number(recall),
        span(found["recall_ci"]),
        _against(recall, target.get("recall"), is_floor=True),
        "" if is_judged else number(found.get("recall_at_our_false_rate")),
        number(rate),
        number(found["false_upper95"]),
        _against(rate, target.get("false_per_1000_vehicle_days"), is_floor=False),
        lasting(lead),
        _against(lead, target.get("lead_p50_h"), is_floor=True, per=24.0, unit=" d"),
        lasting(found["delay_h_p50"]),
        f"{number(precision['low_at_upper95'])} – {number(precision['high'])}" if precision else "–",
    )
    return f"<tr>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"


def _against(
    value: float | None, target: float | None, *, is_floor: bool, per: float = 1.0, unit: str = ""
) -> str:
    if target is None:
        return ""
    sign = "≥" if is_floor else "≤"
    is_met = value is not None and (value >= target if is_floor else value <= target)
    colour, sign_of = ("yes", "✓") if is_met else ("no", "✗")
    return f'<span class="{colour}">{sign} {target / per:g}{unit} {sign_of}</span>'


def _mode_section(mode: str, found: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    tail = found["tail"]
    argued = (
        f"<p><b>Argued, not measured:</b> the tail of the highest scores of {tail['vehicles']:,} healthy"
        f" vehicles (generalised Pareto, shape {tail['shape']}, {tail['exceedances']} exceedances) gives"
        f" {tail['crossings_per_1000_vehicle_days']:.3g} days above the raise level per 1,000"
        " vehicle-days, before any dwell.</p>"
        if tail
        else ""
    )
    return "".join(
        (
            f"<h2>{escape(words(mode))} {stamp(result)}</h2>",
            _figures(found),
            argued,
            _bounds(found),
            _plots(found),
            _counts("False alerts by what happened there", found["false_by_decoy"]),
            _confusions(found["confused_with"]),
        )
    )


def _figures(found: Mapping[str, Any]) -> str:
    interval, cost, soh = found["ttt_interval"], found["cost_per_vehicle_year"], found["soh"]
    rows = [
        ("events; late", f"{found['events']}; {found['late']}"),
        ("without a limit in the run; alerted", f"{found['unjudged']}; {found['unjudged_alerted']}"),
        ("recall, 95 % Wilson, 95 % by vehicle",
         f"{number(found['recall'])}, {span(found['recall_ci'])}, {span(found['recall_ci_by_vehicle'])}"),
        ("recall's standard deviation over seeds", number(found["by_seed"]["recall_sd"])),
        ("false episodes in vehicle-days; look-alikes met",
         f"{found['false_episodes']} in {found['vehicle_days']:,}; {found['decoys']:,}"),
        ("lead P10 / P50 / P90, hours", " / ".join(number(v) for v in found["lead_h"].values())),
        ("days with an answer: healthy, faulty",
         f"{number(found['coverage'])}, {number(found['enriched_coverage'])}"),
        ("Brier, ECE", f"{number(found['brier'])}, {number(found['ece'])}"),
        ("PR-AUC at prevalence", f"{number(found['pr_auc'])} at {number(found['prevalence'])}"),
        ("10–90 % interval holds the limit: at the alert, on later days",
         f"{number(interval['at_alert'])}, {number(interval['days_inside'])} of {interval['days']}"),
    ]  # fmt: skip
    if ruled_out := found["vehicle_days_ruled_out"]:
        rows.append(
            ("measured: vehicle-days run through the rule, upper bound from them alone",
             f"{found['vehicle_days'] - ruled_out:,}, {number(found['false_upper95_run'])}")
        )  # fmt: skip
        rows.append(
            ("argued: vehicle-days on which what the rule needs did not happen, not run", f"{ruled_out:,}")
        )  # fmt: skip
    if found["least_magnitude"]:
        below = found["below_scope"]
        rows.append(
            (f"smaller than {found['least_magnitude']:g}: events, recall",
             f"{below['events']}, {number(below['recall'])}")
        )  # fmt: skip
    if cost:
        rows.append(
            ("cost a vehicle-year: with, without", f"{number(cost['with'])}, {number(cost['without'])}")
        )
    if soh:
        rows.append(
            ("state of health: RMSE, share within its 95 % interval",
             f"{number(soh['rmse_points'])} points, {number(soh['interval95_holds'])}")
        )  # fmt: skip
    return table(("figure", "value"), rows)


def _bounds(found: Mapping[str, Any]) -> str:
    """Return by size what any detector could reach at the noise, resolution and interval of the sensors."""
    if not (bounds := found.get("bounds")):
        return ""
    measured = {(size["from"], size["to"]): size["recall"] for size in found["by_magnitude"]}
    return "<p><b>Argued, not measured:</b> the most that any detector could find in time</p>" + table(
        ("size", "if sensors only scatter", "if they may also jump", "found here"),
        [
            (
                f"{bound['from']:g}–{bound['to']:g}",
                number(bound["against_noise"]),
                number(bound["against_jumps"]),
                number(measured.get((bound["from"], bound["to"]))),
            )
            for bound in bounds
        ],
    )


def _plots(found: Mapping[str, Any]) -> str:
    out = []
    if sizes := found["by_magnitude"]:
        out.append(
            plots.bars(
                "Recall by size of the fault",
                [f"{s['from']:g}–{s['to']:g}" for s in sizes],
                [s["recall"] for s in sizes],
                [tuple(s["recall_ci"]) if s["recall_ci"] else None for s in sizes],
                x_label="size",
            )
        )
    if leads := found["lead_h_deciles"]:
        out.append(plots.deciles("Lead before the limit", [v / 24 for v in leads], x_label="days"))
    if points := found["reliability"]:
        out.append(
            plots.reliability("Calibration", [p["said"] for p in points], [p["happened"] for p in points])
        )
    return f'<div class="plots">{"".join(out)}</div>' if out else ""


def _counts(title: str, counts: Mapping[str, int]) -> str:
    rows = [(words(name), str(count)) for name, count in counts.items()]
    return table((title, "episodes"), rows) if rows else ""


def _confusions(found: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (words(kind), str(where.get("same_component", 0)), str(where.get("elsewhere", 0)))
        for kind, where in found.items()
    ]
    heads = ("Another fault alerted under this mode", "on its component", "elsewhere on the vehicle")
    return table(heads, rows) if rows else ""


def _file_of(card: Card) -> str:
    return f"card-{card.name}.html"

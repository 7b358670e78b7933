"""Who pays: warranties by age and distance, goodwill, and sums that are right to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.dispatch.jobs import Job, JobPart, Operation
from alerts.errors import InvalidDetails, PolicyError
from alerts.prices.payer_rules import parse_payers
from alerts.prices.payers import Payer, months_after
from alerts.prices.pricing import Quote, goodwill_of, kept_goodwill, price, stored_quote, with_goodwill
from alerts.rules import Mode
from alerts.work.estimates import is_approval_needed
from alerts.work.goodwill import granted
from data.warranty import Warranty, WarrantyTerm
from tests.unit.alerts.covers import make_cover

TAX = Decimal("0.13")
W = Warranty


def make_quote(
    *parts: tuple[str, str, Warranty | None], hours: str = "1.0", tax: Decimal = TAX, **facts: Any
) -> Quote:
    """Price one operation of the fault and parts of (sku, price, warranty)."""
    operation = Operation(
        operation="pack-diagnosis",
        name_en="d",
        name_zh="d",
        hours=Decimal(hours),
        skill="HV2",
        bay_kind="hv",
    )
    found = tuple(
        JobPart(sku=sku, name_en=sku, name_zh=sku, qty=1, unit_price=Decimal(amount), warranty=kind)
        for sku, amount, kind in parts
    )
    return price(
        Job(operations=(operation,), parts=found, needs_hv=True),
        labour_rate=Decimal(200),
        tax_rate=tax,
        currency="CNY",
        cover=make_cover(**facts),
    )


def payers(quote: Quote) -> dict[str, str]:
    return {line.code: str(line.payer) for line in quote.lines if line.kind != "tax"}


def test_a_battery_under_warranty_is_paid_by_the_maker_and_says_why() -> None:
    payment = make_cover().payment(W.BATTERY)

    assert payment.payer is Payer.WARRANTY
    assert payment.reason_en == "battery: 8 years or 160,000 km; 3.0 years and 51,000 km in service"
    assert payment.reason_zh == "动力电池：8 年或 160,000 公里；已使用 3.0 年、51,000 公里"


@pytest.mark.parametrize(
    ("kind", "facts", "payer", "reason"),
    [
        (W.VEHICLE, {"on": date(2026, 3, 10)}, "warranty", "3 years or 100,000 km; 3.0 years"),
        (W.VEHICLE, {"on": date(2026, 3, 11)}, "customer", "over: 3.0 years and 51,000 km in service"),
        (W.VEHICLE, {"odometer_km": 100_000.0}, "warranty", "100,000 km in service"),
        (W.VEHICLE, {"odometer_km": 100_000.1}, "customer", "over: "),
        (W.BATTERY, {"in_service_on": None}, "customer", "no in-service date"),
        (W.BATTERY, {"odometer_km": None}, "customer", "no odometer reading"),
        (W.VEHICLE, {"on": date(2027, 1, 1), "odometer_km": None}, "customer", "over: 3.8 years in service"),
        (W.LV_BATTERY, {}, "customer", "12 V battery: 1 year or 20,000 km; over"),
        (W.TIRES, {"on": date(2023, 4, 1), "odometer_km": 900.0}, "warranty", "tyres: 3 months or 5,000 km"),
        (W.WEAR, {}, "customer", "wear and road damage: no warranty"),
        (None, {}, "warranty", "battery: "),
        (W.BATTERY, {"in_service_on": date(2026, 3, 11)}, "warranty", "0.0 years"),
    ],
)
def test_a_warranty_ends_with_its_last_day_or_its_last_kilometre(
    kind: Warranty | None, facts: dict[str, Any], payer: str, reason: str
) -> None:
    payment = make_cover(**facts).payment(kind)

    assert (payment.payer, reason in payment.reason_en) == (payer, True), payment.reason_en


def test_a_tire_that_was_damaged_on_the_road_is_no_matter_of_its_warranty() -> None:
    new = {"on": date(2023, 4, 1), "odometer_km": 900.0}

    assert make_cover(fault=W.WEAR, **new).payment(W.TIRES).payer is Payer.CUSTOMER
    assert make_cover(fault=W.TIRES, **new).payment(W.TIRES).payer is Payer.WARRANTY


def test_a_vehicle_model_may_have_other_terms_also_without_a_limit_of_distance() -> None:
    cover = make_cover(odometer_km=None, terms={W.BATTERY: WarrantyTerm(months=120)})

    assert cover.payment().payer is Payer.WARRANTY
    assert cover.payment().reason_en == "battery: 10 years; 3.0 years in service"
    assert replace(cover, on=date(2033, 3, 11)).payment().payer is Payer.CUSTOMER


@pytest.mark.parametrize(
    ("day", "months", "last"),
    [
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2023, 11, 30), 3, date(2024, 2, 29)),
        (date(2023, 12, 15), 1, date(2024, 1, 15)),
        (date(2023, 1, 31), 0, date(2023, 1, 31)),
    ],
)
def test_months_end_with_the_day_they_began_with_or_the_last_there_is(
    day: date, months: int, last: date
) -> None:
    assert months_after(day, months) == last


def test_every_line_has_its_payer_and_each_payer_a_line_of_tax() -> None:
    quote = make_quote(("PACK-SEAL-KIT", "460.00", W.BATTERY), ("WIPER", "80.00", W.WEAR))

    assert payers(quote) == {"pack-diagnosis": "warranty", "PACK-SEAL-KIT": "warranty", "WIPER": "customer"}
    assert [(line.payer, line.amount) for line in quote.lines if line.kind == "tax"] == [
        ("warranty", Decimal("85.80")),
        ("customer", Decimal("10.40")),
    ]
    assert (quote.total, quote.customer_total) == (Decimal("836.20"), Decimal("90.40"))
    assert quote.told() == "CNY 90.40 (others pay CNY 745.80)"


def test_the_way_is_paid_by_whom_the_fault_is() -> None:
    job = Job(operations=(), parts=(), needs_hv=False)
    quote = price(
        job,
        labour_rate=Decimal(1),
        tax_rate=TAX,
        currency="CNY",
        cover=make_cover(),
        fee=(Mode.TOW, Decimal(300)),
    )

    assert (payers(quote), quote.customer_total) == ({"tow": "warranty"}, Decimal(0))


@given(
    amounts=st.lists(st.tuples(st.integers(0, 99_999), st.sampled_from(list(Warranty))), max_size=8),
    tax=st.integers(0, 2500),
    picked=st.sets(st.integers(0, 7)),
)
def test_lines_add_up_to_the_cent_whoever_pays(
    amounts: list[tuple[int, Warranty]], tax: int, picked: set[int]
) -> None:
    tax_rate = Decimal(tax).scaleb(-4)
    parts = [(f"P{n}", str(Decimal(cents).scaleb(-2)), kind) for n, (cents, kind) in enumerate(amounts)]
    before = make_quote(*parts, hours="0.33", tax=tax_rate)
    open_codes = [line.code for line in before.lines if line.payer is Payer.CUSTOMER and line.kind == "part"]
    codes = [code for n, code in enumerate(open_codes) if n in picked]
    after = granted(before, codes, "why", cap=Decimal(10**9), tax_rate=tax_rate)

    for quote in (before, after):
        by_payer = {p: sum(line.amount for line in quote.lines if line.payer is p) for p in Payer}
        assert sum(by_payer.values()) == quote.total
        assert by_payer[Payer.CUSTOMER] == quote.customer_total
        assert stored_quote("CNY", quote.lines) == quote
        for payer in Payer:
            net = sum(line.amount for line in quote.lines if line.payer is payer and line.kind != "tax")
            taxed = sum(line.amount for line in quote.lines if line.payer is payer and line.kind == "tax")
            assert abs(taxed - net * tax_rate) <= Decimal("0.005")
    assert after.customer_total <= before.customer_total
    assert {c for c, p in payers(after).items() if p == "goodwill"} == set(codes)


def test_goodwill_takes_a_line_off_the_customer_with_its_tax_and_its_reason() -> None:
    before = make_quote(("WIPER", "80.00", W.WEAR))
    after = granted(before, ["WIPER"], "second visit", cap=Decimal(80), tax_rate=TAX)

    assert (after.customer_total, after.total) == (Decimal(0), before.total)
    assert (goodwill_of(after.lines), after.lines[1].payer_en) == (Decimal("80.00"), "goodwill: second visit")


@pytest.mark.parametrize(
    ("codes", "cap", "rule"),
    [
        (["PACK-SEAL-KIT"], 1000, "codes 'PACK-SEAL-KIT': must be of a line that the customer pays: WIPER"),
        (["WIPER", "NONE"], 1000, "codes 'NONE'"),
        (["vat"], 1000, "codes 'vat'"),
        (["WIPER"], 79, "CNY 80.00 without tax would be granted, at most CNY 79.00"),
    ],
)
def test_goodwill_is_for_lines_of_the_customer_and_has_a_cap(codes: list[str], cap: int, rule: str) -> None:
    before = make_quote(("PACK-SEAL-KIT", "460.00", W.BATTERY), ("WIPER", "80.00", W.WEAR))

    with pytest.raises(InvalidDetails, match=rule):
        granted(before, codes, "why", cap=Decimal(cap), tax_rate=TAX)


def test_what_was_granted_counts_towards_the_cap() -> None:
    before = make_quote(("A", "60.00", W.WEAR), ("B", "60.00", W.WEAR))
    once = granted(before, ["A"], "why", cap=Decimal(100), tax_rate=TAX)

    with pytest.raises(InvalidDetails, match=r"CNY 120\.00 without tax would be granted"):
        granted(once, ["B"], "why", cap=Decimal(100), tax_rate=TAX)


def test_granted_lines_stay_granted_in_a_new_price_unless_they_cost_more() -> None:
    agreed = granted(make_quote(("A", "60.00", W.WEAR)), ["A"], "why", cap=Decimal(100), tax_rate=TAX).lines
    cheaper, dearer = (make_quote(("A", amount, W.WEAR)) for amount in ("59.00", "60.01"))

    kept = with_goodwill(cheaper, kept_goodwill(agreed, cheaper), tax_rate=TAX)
    assert (payers(kept)["A"], kept.lines[1].payer_en) == ("goodwill", "goodwill: why")
    assert kept_goodwill(agreed, dearer) == {}


def test_a_line_that_falls_to_the_owner_asks_them_however_little_it_is() -> None:
    agreed = make_quote(("WIPER", "1000.00", W.WEAR), ("SEAL", "1.00", W.BATTERY))
    worse = make_quote(("WIPER", "1000.00", W.WEAR), ("SEAL", "1.00", W.WEAR))

    assert not is_approval_needed(agreed.lines, agreed, agreed_total=agreed.customer_total)
    assert not is_approval_needed(worse.lines, agreed, agreed_total=worse.customer_total)
    assert is_approval_needed(agreed.lines, worse, agreed_total=agreed.customer_total)


def test_what_the_maker_pays_more_is_not_asked_of_the_owner() -> None:
    agreed = make_quote(("WIPER", "10.00", W.WEAR))
    longer = make_quote(("WIPER", "10.00", W.WEAR), hours="9.0")

    assert longer.total > agreed.total * 2
    assert not is_approval_needed(agreed.lines, longer, agreed_total=agreed.customer_total)


@pytest.mark.parametrize(
    ("terms", "cap", "rule"),
    [
        ({}, 1, "warranty.terms.battery: missing"),
        ({"vehicle": {"months": -1}}, 1, "warranty.terms"),
        ({"roof": {"months": 1}}, 1, "warranty.terms"),
        ({str(kind): {"months": 1} for kind in Warranty}, -1, "goodwill_cap"),
    ],
)
def test_a_policy_names_each_warranty_once_and_within_its_range(
    terms: dict[str, Any], cap: int, rule: str
) -> None:
    with pytest.raises(PolicyError, match=rule):
        parse_payers({"terms": terms, "goodwill_cap": cap})

"""The price of the work: proposed, compared with what was agreed, approved or declined, and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from alerts.dispatch.jobs import Job
from alerts.errors import InvalidDetails, InvalidTransition
from alerts.orders.states import OrderState
from alerts.prices.pricing import (
    PriceLine,
    Quote,
    falls_to_customer,
    kept_goodwill,
    price,
    stored_quote,
    with_goodwill,
)
from alerts.telling.texts import WarningText, price_words
from alerts.work.actions import FREE_RISE, EstimateLine, Outcome
from alerts.work.workbench import Workbench


def is_approval_needed(agreed: Sequence[PriceLine], proposed: Quote, *, agreed_total: Decimal) -> bool:
    """Tell whether the owner must be asked.

    That is for other work or parts, for what was not theirs to pay and now is, or a rise of more than 10 %.

    Args:
        agreed: The agreed lines; hours are price, not scope, and the fee of the way is kept whatever the work
            turns out to be.
        proposed: The proposed price.
        agreed_total: What the owner last said yes to, so that small rises do not add up unseen.
    """
    return (
        _scope(agreed) != _scope(proposed.lines)
        or falls_to_customer(agreed, proposed.lines)
        or proposed.customer_total > agreed_total * FREE_RISE
    )


def _scope(lines: Sequence[PriceLine]) -> set[tuple[str, str, Decimal]]:
    return {
        (line.kind, line.code, line.qty if line.kind == "part" else Decimal(0))
        for line in lines
        if line.kind in ("labour", "part")
    }


def propose(bench: Workbench) -> None:
    """Take the station's estimate; ask the owner where that is needed, else go on at once."""
    work, order = bench.work, bench.order
    if work.fetch_outcome(order.order_id) in (None, Outcome.NO_FAULT_FOUND):
        raise InvalidTransition("action estimate: tell first what was found (action find)")
    agreed = bench.prices.fetch_lines(order.order_id)
    quote = _quote(bench, bench.details.lines or (), agreed)
    agreed_total = order.customer_total if order.agreed_total is None else order.agreed_total
    is_asked = is_approval_needed(agreed, quote, agreed_total=agreed_total)
    told = f"{quote.told()} after {quote.currency} {agreed_total}"
    bench.prices.insert_estimate(
        order.order_id, quote, reason=bench.details.reason, actor=bench.actor, now=bench.now
    )
    bench.audit(
        "order.price", agreed=str(agreed_total), proposed=str(quote.customer_total), is_asked=is_asked
    )
    bench.move(OrderState.ESTIMATED, f"estimate {told}")
    if is_asked:
        bench.tell_owner(_ask_text(quote))
        return
    _agree(bench, "within_limit", agreed_total=agreed_total)


def approve(bench: Workbench) -> None:
    """Take the owner's yes to the proposed price."""
    bench.audit("order.approve", version=bench.order.version)
    _agree(bench, "approved", agreed_total=None)


def decline(bench: Workbench) -> None:
    """Take the owner's no: work that has begun goes on as agreed before, else the order is over."""
    order = bench.order
    bench.audit("order.decline", version=order.version)
    bench.prices.decide_estimate(order.order_id, "declined", actor=bench.actor, now=bench.now)
    if order.begun_at is not None:
        bench.move(OrderState.APPROVED, "owner declined the change: the work goes on as agreed before")
        provide_parts(bench)
        return
    bench.free_everything()
    bench.move(OrderState.DECLINED, "owner declined the estimate")
    bench.work.insert_label(order.order_id, now=bench.now)


def _agree(bench: Workbench, decision: str, *, agreed_total: Decimal | None) -> None:
    order_id = bench.order.order_id
    lines = bench.prices.decide_estimate(order_id, decision, actor=bench.actor, now=bench.now)
    quote = stored_quote(bench.order.currency, lines)
    bench.prices.replace_lines(
        order_id, quote, agreed_total=quote.customer_total if agreed_total is None else agreed_total
    )
    asked = "owner approved" if decision == "approved" else "within 10 % of what was agreed, same work"
    bench.move(OrderState.APPROVED, f"{quote.told()}: {asked}")
    provide_parts(bench)


def provide_parts(bench: Workbench) -> None:
    """Let reserved and picked parts be those of the agreed lines; wait for what is not in stock.

    What the order had of a part that does not suffice now stays its own meanwhile: it may be in the vehicle.
    """
    work, order_id = bench.work, bench.order.order_id
    wanted = {line.code: int(line.qty) for line in bench.prices.fetch_lines(order_id) if line.kind == "part"}
    kept = work.fetch_reservations(order_id)
    for sku, (qty, _) in kept.items():
        if wanted.get(sku) != qty:
            work.release_part(order_id, sku)
    missing = []
    for sku, qty in sorted(wanted.items()):
        had, state = kept.get(sku, (0, ""))
        is_here = had == qty and state != "expected"
        if is_here or work.reserve_part(order_id, bench.order.station_id, sku, qty):
            continue
        missing.append(f"{qty} x {sku}")
        if had:
            work.reserve_part(order_id, bench.order.station_id, sku, had)
    if not missing:
        bench.move(OrderState.PARTS_RESERVED, "all parts are here")
    elif bench.order.state is OrderState.WAITING_PARTS:
        raise InvalidTransition(f"action reserve: still not in stock: {', '.join(missing)}")
    else:
        bench.move(OrderState.WAITING_PARTS, f"not in stock: {', '.join(missing)}")


def _quote(bench: Workbench, lines: Sequence[EstimateLine], agreed: Sequence[PriceLine]) -> Quote:
    """Return the price of the lines; what was granted of the agreed ones stays granted.

    The fault was found when the order was opened; how far the vehicle had come is as read at check-in.

    Raises:
        InvalidDetails: An operation or part that the catalogue does not have, or one that is listed twice.
    """
    order = bench.order
    if order.labour_rate is None or order.tax_rate is None:
        raise InvalidTransition("action estimate: the order has no station")
    labour = {line.code: line.qty for line in lines if line.kind == "labour"}
    parts = {line.code: line.qty for line in lines if line.kind == "part"}
    if len(labour) + len(parts) != len(lines):
        raise InvalidDetails("lines: an operation or part is listed twice")
    operations = bench.work.fetch_operations(order.tenant_id, labour)
    found_parts = bench.work.fetch_parts(order.tenant_id, parts)
    unknown = [f"operation {code[:40]!r}" for code in labour if code not in {o.operation for o in operations}]
    unknown += [f"part {sku[:40]!r}" for sku in parts if sku not in {p.sku for p in found_parts}]
    if unknown:
        raise InvalidDetails(f"lines: unknown {', '.join(unknown)}")
    vehicle = bench.desk.store.fetch_vehicle(order.vehicle_id)
    if vehicle is None:
        raise InvalidTransition("action estimate: the vehicle is not registered")
    cover = vehicle.cover(order.failure_mode, bench.terms.policy, found_at=order.opened_at)
    if order.odometer_in_km is not None:
        cover = replace(cover, odometer_km=order.odometer_in_km)
    quote = price(
        Job(operations=operations, parts=found_parts, needs_hv=False),
        labour_rate=order.labour_rate,
        tax_rate=order.tax_rate,
        currency=order.currency,
        cover=cover,
        fee=bench.prices.fetch_fee(order.order_id),
    )
    return with_goodwill(quote, kept_goodwill(agreed, quote), tax_rate=order.tax_rate)


def _ask_text(quote: Quote) -> WarningText:
    price_en, price_zh = price_words(quote.currency, quote.customer_total)
    return WarningText(
        title_en="Your workshop has a new price for you",
        title_zh="维修站给出了新的报价",
        body_en=f"After looking at your car the workshop has another price: {price_en}."
        " Nothing is done before you agree. Please approve or decline it.",
        body_zh=f"维修站检查车辆后给出新的报价：{price_zh}。在您同意之前不会施工，请选择同意或不同意。",
    )


def cancelled_text() -> WarningText:
    """Return the message that the appointment is gone and the fault is still there."""
    return WarningText(
        title_en="Your workshop appointment was cancelled",
        title_zh="您的维修预约已取消",
        body_en="The appointment has been cancelled; the fault has not been repaired."
        " Please contact the workshop or your service hotline for another appointment.",
        body_zh="本次维修预约已取消，故障尚未修复。请联系维修站或客服热线另约时间。",
    )


def ready_text() -> WarningText:
    """Return the message that a vehicle can be fetched."""
    return WarningText(
        title_en="Your car is ready",
        title_zh="您的车辆已修好",
        body_en="The work is done and has been checked. You can fetch your car.",
        body_zh="维修已完成并通过检验，您可以来取车。",
    )

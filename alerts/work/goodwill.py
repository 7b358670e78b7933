"""Goodwill: maker or station pays lines that the customer would have to."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from alerts.errors import InvalidDetails, InvalidTransition
from alerts.orders.states import OrderState
from alerts.prices.payers import Payer, Payment
from alerts.prices.pricing import Quote, goodwill_of, stored_quote, with_goodwill
from alerts.telling.texts import WarningText, price_words
from alerts.work.workbench import Workbench


def grant(bench: Workbench) -> None:
    """Take lines of the agreed price, or of the one that waits for the owner's yes, off the customer.

    Raises:
        InvalidDetails: A code is none of a line that the customer pays, or the cap is passed.
    """
    order, prices, reason = bench.order, bench.prices, bench.details.reason
    if order.tax_rate is None:
        raise InvalidTransition("action goodwill: the order has no station")
    is_pending = order.state is OrderState.ESTIMATED
    lines = prices.fetch_estimate(order.order_id) if is_pending else prices.fetch_lines(order.order_id)
    before = stored_quote(order.currency, lines)
    after = granted(
        before,
        bench.details.codes or (),
        reason,
        cap=bench.terms.policy.payers.goodwill_cap,
        tax_rate=order.tax_rate,
    )
    if is_pending:
        prices.change_estimate(order.order_id, after)
    else:
        agreed = before.customer_total if order.agreed_total is None else order.agreed_total
        prices.replace_lines(order.order_id, after, agreed_total=min(agreed, after.customer_total))
    bench.audit(
        "order.goodwill",
        codes=list(bench.details.codes or ()),
        reason=reason,
        before=str(before.customer_total),
        after=str(after.customer_total),
    )
    bench.note(f"goodwill, {after.told()}")
    bench.tell_owner(_text(after))


def granted(before: Quote, codes: Collection[str], reason: str, *, cap: Decimal, tax_rate: Decimal) -> Quote:
    """Return a price of which the customer does not pay the lines of these codes.

    Args:
        before: The price.
        codes: Of operations, parts or the way; each of a line that the customer pays.
        reason: Why, for owner and station.
        cap: Most that may be granted for the order, without tax, what was granted before included.
        tax_rate: 0.13 for 13 %.

    Raises:
        InvalidDetails: A code is none of a line that the customer pays, or the cap is passed.
    """
    open_lines = [line for line in before.lines if line.payer is Payer.CUSTOMER and line.kind != "tax"]
    known = {line.code for line in open_lines}
    for code in codes:
        if code not in known:
            names = ", ".join(sorted(known)) or "none"
            raise InvalidDetails(f"codes {code[:40]!r}: must be of a line that the customer pays: {names}")
    payment = Payment(payer=Payer.GOODWILL, reason_en=f"goodwill: {reason}", reason_zh=f"善意承担：{reason}")
    payments = {line.key: payment for line in open_lines if line.code in codes}
    after = with_goodwill(before, payments, tax_rate=tax_rate)
    if goodwill_of(after.lines) > cap:
        raise InvalidDetails(
            f"codes: {before.currency} {goodwill_of(after.lines)} without tax would be granted,"
            f" at most {before.currency} {cap:.2f} for an order"
        )
    return after


def _text(quote: Quote) -> WarningText:
    price_en, price_zh = price_words(quote.currency, quote.customer_total)
    return WarningText(
        title_en="Part of your repair is paid for you",
        title_zh="部分维修费用由我们承担",
        body_en=f"The workshop takes over part of the price as goodwill. Left for you: {price_en}.",
        body_zh=f"维修站以善意承担部分费用。您现在的费用：{price_zh}。",
    )

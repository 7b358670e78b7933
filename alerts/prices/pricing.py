"""Itemised prices: labour by the hour, parts, the way, each with its payer, and tax."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any

from alerts.dispatch.jobs import Job
from alerts.prices.payers import Cover, Payer, Payment
from alerts.rules import Mode

_CENT = Decimal("0.01")
_FEES = MappingProxyType(
    {
        Mode.DRIVE_IN: ("Reception", "接车"),
        Mode.MOBILE: ("Mobile service", "上门服务"),
        Mode.PICKUP: ("Pick-up and return", "取送车"),
        Mode.TOW: ("Tow", "拖车"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """One line of the price; ``kind`` is ``labour``, ``part``, ``fee`` or ``tax``."""

    kind: str
    code: str
    text_en: str
    text_zh: str
    qty: Decimal
    unit_price: Decimal
    amount: Decimal
    payer: Payer = Payer.CUSTOMER
    payer_en: str = ""  #: why
    payer_zh: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells a line from the others of its price; tax apart."""
        return self.kind, self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one payer pays of a price."""

    payer: Payer
    net: Decimal
    tax: Decimal

    @property
    def total(self) -> Decimal:
        """Return it with tax."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """All lines, one of tax for each payer last, and their sums."""

    currency: str
    lines: tuple[PriceLine, ...]
    total: Decimal
    customer_total: Decimal  #: of it, what the customer pays

    def told(self) -> str:
        """Return what the customer pays and, where that is not all, what the maker does."""
        return price_told(self.currency, self.total, self.customer_total)


def price(
    job: Job,
    *,
    labour_rate: Decimal,
    tax_rate: Decimal,
    currency: str,
    cover: Cover,
    fee: tuple[Mode, Decimal] | None = None,
) -> Quote:
    """Return the price of a job: every line rounded to cents (half up), tax on the lines of each payer.

    Args:
        job: Operations and parts.
        labour_rate: Per hour, without tax.
        tax_rate: 0.13 for 13 %.
        currency: ISO 4217 code of the rate and of the parts' prices.
        cover: Decides who pays each line.
        fee: What the way costs that vehicle and work come together by, without tax; it follows the fault.
    """
    lines = [
        _line(
            "labour", o.operation, (o.name_en, o.name_zh), (o.hours, labour_rate), cover.payment(o.warranty)
        )
        for o in job.operations
    ]
    lines += [
        _line(
            "part", p.sku, (p.name_en, p.name_zh), (Decimal(p.qty), p.unit_price), cover.payment(p.warranty)
        )
        for p in job.parts
    ]
    if fee is not None:
        mode, amount = fee
        lines.append(_line("fee", mode, _FEES[mode], (Decimal(1), amount), cover.payment()))
    return _quote(currency, lines, tax_rate)


def with_goodwill(quote: Quote, granted: Mapping[tuple[str, str], Payment], *, tax_rate: Decimal) -> Quote:
    """Return a price of which customers do not pay the granted lines; tax is reckoned anew.

    Args:
        quote: What was priced.
        granted: Kind and code of lines with who pays them now; those that the customer does not pay stay.
        tax_rate: 0.13 for 13 %.
    """
    lines = [
        _paid_by(line, granted[line.key]) if line.key in granted and line.payer is Payer.CUSTOMER else line
        for line in quote.lines
        if line.kind != "tax"
    ]
    return _quote(quote.currency, lines, tax_rate)


def kept_goodwill(before: Iterable[PriceLine], quote: Quote) -> dict[tuple[str, str], Payment]:
    """Return what was granted before and holds for a new price: for lines that cost no more than then."""
    granted = {line.key: line for line in before if line.payer is Payer.GOODWILL and line.kind != "tax"}
    return {
        line.key: Payment(
            payer=Payer.GOODWILL,
            reason_en=granted[line.key].payer_en,
            reason_zh=granted[line.key].payer_zh,
        )
        for line in quote.lines
        if line.key in granted and line.amount <= granted[line.key].amount
    }


def falls_to_customer(before: Iterable[PriceLine], proposed: Iterable[PriceLine]) -> bool:
    """Tell whether the customer pays a line that maker or station were to pay."""
    paid = {line.key for line in before if line.payer is not Payer.CUSTOMER and line.kind != "tax"}
    return any(line.key in paid and line.payer is Payer.CUSTOMER for line in proposed)


def goodwill_of(lines: Iterable[PriceLine]) -> Decimal:
    """Return what is granted of a price, without tax."""
    return _sum([line for line in lines if line.payer is Payer.GOODWILL and line.kind != "tax"])


def shares_of(lines: Iterable[PriceLine]) -> tuple[Share, ...]:
    """Return what each payer pays, those who pay nothing left out."""
    kept = tuple(lines)
    found = []
    for payer in Payer:
        theirs = [line for line in kept if line.payer is payer]
        share = Share(
            payer=payer,
            net=_sum([line for line in theirs if line.kind != "tax"]),
            tax=_sum([line for line in theirs if line.kind == "tax"]),
        )
        if theirs:
            found.append(share)
    return tuple(found)


def lines_from(rows: Iterable[Mapping[str, Any]]) -> tuple[PriceLine, ...]:
    """Return stored lines; amounts may be text, payers missing in prices of an earlier version."""
    return tuple(
        PriceLine(
            kind=row["kind"],
            code=row["code"],
            text_en=row["text_en"],
            text_zh=row["text_zh"],
            qty=Decimal(row["qty"]),
            unit_price=Decimal(row["unit_price"]),
            amount=Decimal(row["amount"]),
            payer=Payer(row.get("payer", Payer.CUSTOMER)),
            payer_en=row.get("payer_en", ""),
            payer_zh=row.get("payer_zh", ""),
        )
        for row in rows
    )


def stored_quote(currency: str, lines: Collection[PriceLine]) -> Quote:
    """Return a price of which the lines are known."""
    return Quote(
        currency=currency,
        lines=tuple(lines),
        total=_sum(lines),
        customer_total=_sum([line for line in lines if line.payer is Payer.CUSTOMER]),
    )


def price_told(currency: str, total: Decimal, customer_total: Decimal) -> str:
    """Return what the customer pays and, where that is not all, what others do."""
    others = total - customer_total
    return f"{currency} {customer_total}" + (f" (others pay {currency} {others})" if others else "")


def _quote(currency: str, lines: Sequence[PriceLine], tax_rate: Decimal) -> Quote:
    percent = f"{(tax_rate * 100).normalize():f} %"
    texts = (f"Value added tax {percent}", f"增值税 {percent}")
    taxes = []
    for payer in Payer:
        net = _sum([line for line in lines if line.payer is payer])
        if net or (payer is Payer.CUSTOMER and not any(line.amount for line in lines)):
            payment = Payment(payer=payer, reason_en="", reason_zh="")
            taxes.append(_line("tax", "vat", texts, (tax_rate, net), payment))
    return stored_quote(currency, (*lines, *taxes))


def _line(
    kind: str, code: str, texts: tuple[str, str], times: tuple[Decimal, Decimal], payment: Payment
) -> PriceLine:
    qty, unit_price = times
    return PriceLine(
        kind=kind,
        code=code,
        text_en=texts[0],
        text_zh=texts[1],
        qty=qty,
        unit_price=unit_price,
        amount=(qty * unit_price).quantize(_CENT, ROUND_HALF_UP),
        payer=payment.payer,
        payer_en=payment.reason_en,
        payer_zh=payment.reason_zh,
    )


def _paid_by(line: PriceLine, payment: Payment) -> PriceLine:
    return replace(line, payer=payment.payer, payer_en=payment.reason_en, payer_zh=payment.reason_zh)


def _sum(lines: Iterable[PriceLine]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0)).quantize(_CENT)

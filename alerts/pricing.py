"""Itemised prices: labour by the hour, parts, the way, tax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

from alerts.jobs import Job
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """All lines and their sum."""

    currency: str
    lines: tuple[PriceLine, ...]
    total: Decimal


def price(
    job: Job,
    *,
    labour_rate: Decimal,
    tax_rate: Decimal,
    currency: str,
    fee: tuple[Mode, Decimal] | None = None,
) -> Quote:
    """Return the price of a job: every line rounded to cents (half up), tax on the sum of the lines.

    Args:
        job: Operations and parts.
        labour_rate: Per hour, without tax.
        tax_rate: 0.13 for 13 %.
        currency: ISO 4217 code of the rate and of the parts' prices.
        fee: What the way costs that vehicle and work come together by, without tax.
    """
    lines = [
        _line("labour", o.operation, (o.name_en, o.name_zh), o.hours, labour_rate) for o in job.operations
    ]
    lines += [_line("part", p.sku, (p.name_en, p.name_zh), Decimal(p.qty), p.unit_price) for p in job.parts]
    if fee is not None:
        mode, amount = fee
        lines.append(_line("fee", mode, _FEES[mode], Decimal(1), amount))
    net = _sum(lines)
    percent = f"{(tax_rate * 100).normalize():f} %"
    lines.append(_line("tax", "vat", (f"Value added tax {percent}", f"增值税 {percent}"), tax_rate, net))
    return Quote(currency=currency, lines=tuple(lines), total=_sum(lines))


def _line(kind: str, code: str, texts: tuple[str, str], qty: Decimal, unit_price: Decimal) -> PriceLine:
    amount = (qty * unit_price).quantize(_CENT, ROUND_HALF_UP)
    return PriceLine(
        kind=kind,
        code=code,
        text_en=texts[0],
        text_zh=texts[1],
        qty=qty,
        unit_price=unit_price,
        amount=amount,
    )


def _sum(lines: Sequence[PriceLine]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0)).quantize(_CENT)

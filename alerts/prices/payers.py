"""Who pays for a line of a repair order, with the reason as owner and station read it. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from alerts.prices.payer_rules import PayerRule
from data.warranty import Warranty, WarrantyTerm

_DAYS_PER_YEAR = 365.25
_NAMES: Mapping[Warranty, tuple[str, str]] = MappingProxyType(
    {
        Warranty.VEHICLE: ("vehicle", "整车"),
        Warranty.BATTERY: ("battery", "动力电池"),
        Warranty.DRIVE: ("drive unit", "驱动系统"),
        Warranty.LV_BATTERY: ("12 V battery", "12 伏蓄电池"),
        Warranty.TIRES: ("tyres", "轮胎"),
        Warranty.WEAR: ("wear and road damage", "易损件及外伤"),
    }
)


class Payer(StrEnum):
    """Who pays a line; in the database, too."""

    WARRANTY = "warranty"  #: the maker, as promised
    GOODWILL = "goodwill"  #: maker or station, as granted for this order
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Who pays, and why."""

    payer: Payer
    reason_en: str
    reason_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What is known of a vehicle and its warranties on the day its fault was found."""

    rule: PayerRule
    fault: Warranty  #: what the fault falls under: covers the way, and all that names no warranty itself
    on: date  #: of the vehicle's time zone
    in_service_on: date | None
    odometer_km: float | None
    terms: Mapping[Warranty, WarrantyTerm] = field(default_factory=dict)  #: of its model, where others hold

    def payment(self, warranty: Warranty | None = None) -> Payment:
        """Return who pays for what falls under a warranty; nothing unknown is guessed in anybody's favour.

        A term of months ends with the day of its last month that has the number of the first day, or with
        that month's last day (Civil Code of China, article 202); a term of kilometres with the last of them.
        """
        kind = self.fault if warranty is None else warranty
        if kind == Warranty.TIRES and self.fault is Warranty.WEAR:
            kind = Warranty.WEAR  # damaged on the road: no defect of the tire
        term = self.terms.get(kind, self.rule.terms[kind])
        name_en, name_zh = _NAMES[kind]
        if term.months == 0:
            return _customer(f"{name_en}: no warranty", f"{name_zh}：不在质保范围")
        promised_en, promised_zh = _promise(term)
        head_en, head_zh = f"{name_en}: {promised_en}", f"{name_zh}：{promised_zh}"
        if self.in_service_on is None:
            return _customer(f"{head_en}; no in-service date", f"{head_zh}；启用日期未知")
        used_en, used_zh = self._use(self.in_service_on)
        is_over = self.on > months_after(self.in_service_on, term.months)
        if term.km is not None:
            if self.odometer_km is None and not is_over:
                return _customer(f"{head_en}; no odometer reading", f"{head_zh}；里程未知")
            is_over = is_over or (self.odometer_km is not None and self.odometer_km > term.km)
        if is_over:
            return _customer(
                f"{head_en}; over: {used_en} in service", f"{head_zh}；已过质保：已使用{used_zh}"
            )
        return Payment(
            payer=Payer.WARRANTY,
            reason_en=f"{head_en}; {used_en} in service",
            reason_zh=f"{head_zh}；已使用{used_zh}",
        )

    def _use(self, since: date) -> tuple[str, str]:
        years = max((self.on - since).days, 0) / _DAYS_PER_YEAR
        if self.odometer_km is None:
            return f"{years:.1f} years", f" {years:.1f} 年"
        return (
            f"{years:.1f} years and {self.odometer_km:,.0f} km",
            f" {years:.1f} 年、{self.odometer_km:,.0f} 公里",
        )


def months_after(day: date, months: int) -> date:
    """Return the day so many months later; the last of its month where that is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _customer(reason_en: str, reason_zh: str) -> Payment:
    return Payment(payer=Payer.CUSTOMER, reason_en=reason_en, reason_zh=reason_zh)


def _promise(term: WarrantyTerm) -> tuple[str, str]:
    years, rest = divmod(term.months, 12)
    en, zh = (f"{term.months} months", f"{term.months} 个月") if rest else (f"{years} years", f"{years} 年")
    if years == 1 and not rest:
        en = "1 year"
    if term.km is None:
        return en, zh
    return f"{en} or {term.km:,} km", f"{zh}或 {term.km:,} 公里"

"""The rules of who pays for a repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from alerts.errors import PolicyError
from data.warranty import Warranty, WarrantyTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerRule:
    """Section ``[warranty]`` of policy.toml."""

    terms: Mapping[Warranty, WarrantyTerm]  #: of vehicle models that have no other ones
    goodwill_cap: Decimal  #: of an order, without tax, in the station's currency


def parse_payers(entry: Mapping[str, Any]) -> PayerRule:
    """Return the rules of a section.

    Raises:
        PolicyError: A warranty is missing or unknown, or a value is out of its range; names it.
    """
    try:
        terms = msgspec.convert(entry["terms"], dict[Warranty, WarrantyTerm])
    except msgspec.ValidationError as error:
        raise PolicyError(f"policy warranty.terms: {error}") from error
    if missing := sorted(set(Warranty) - terms.keys()):
        raise PolicyError(f"policy warranty.terms.{missing[0]}: missing")
    cap = Decimal(str(entry["goodwill_cap"]))
    if cap < 0:
        raise PolicyError(f"policy warranty.goodwill_cap: {cap}: must not be negative")
    return PayerRule(terms=MappingProxyType(terms), goodwill_cap=cap)

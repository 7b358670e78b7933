"""The rules of parts that are on their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist
from typing import Any

from alerts.errors import PolicyError


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRule:
    """Section ``[parts]`` of policy.toml."""

    certainty: float  #: an appointment starts no earlier than a part is there with this probability
    slip_h: float  #: later than promised by more than this: the appointment is looked at again
    handling_h: float  #: of a transfer between stations, beside the way
    transfer_spread_h: float  #: standard deviation of its arrival
    transfer_km_per_h: float  #: of the way, as the crow flies

    def margin(self, spread_h: float) -> timedelta:
        """Return how long after the mean of an arrival it is there with ``certainty``."""
        return timedelta(hours=NormalDist().inv_cdf(self.certainty) * spread_h)


def parse_parts(entry: Mapping[str, Any]) -> PartRule:
    """Return the rules of a section.

    Raises:
        PolicyError: A value is out of its range; names it.
    """
    rule = PartRule(**{name: float(value) for name, value in entry.items()})
    if not 0.5 <= rule.certainty < 1:
        raise PolicyError(f"policy parts.certainty: {rule.certainty}: must be from 0.5 to below 1")
    for name, value in entry.items():
        if value < 0:
            raise PolicyError(f"policy parts.{name}: {value}: must not be negative")
    return rule

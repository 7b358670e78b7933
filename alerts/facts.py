"""What the database knows and the router needs: vehicles, open orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from alerts.dispatch.modes import Reach, energy_reach_km
from alerts.dispatch.stations import Place
from alerts.orders.states import OrderState
from alerts.prices.payers import Cover
from alerts.rules import Mode, OrderRule, Policy
from data.records import FailureMode, Origin, Severity
from data.warranty import Warranty, WarrantyTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleFacts:
    """A vehicle with its owner and what it said last."""

    vehicle_id: int
    tenant_id: int
    tenant: str
    vin: str
    model_id: str
    time_zone: str
    owner_id: int | None
    home: tuple[float, float] | None  #: WGS-84
    position: tuple[float, float] | None  #: the last the vehicle sent
    energy_kwh: float
    soc_percent: float | None
    soh_percent: float | None
    origin: Origin
    ambient_c: float | None = None
    preferred_station_id: int | None = None  #: the owner's own
    preferred_mode: Mode | None = None  #: the owner's wish
    in_service_on: date | None = None  #: its warranties count from then
    odometer_km: float | None = None
    warranty: Mapping[Warranty, WarrantyTerm] = field(default_factory=dict)  #: terms of its model

    def cover(self, failure_mode: FailureMode, policy: Policy, *, found_at: datetime) -> Cover:
        """Return what decides who pays for the repair of a fault that was found then."""
        return Cover(
            rule=policy.payers,
            fault=policy.modes[failure_mode].warranty,
            on=found_at.astimezone(ZoneInfo(self.time_zone)).date(),
            in_service_on=self.in_service_on,
            odometer_km=self.odometer_km,
            terms=self.warranty,
        )

    def place(self, rule: OrderRule) -> Place | None:
        """Return where the vehicle is; the owner's home where it never said, None where neither is known."""
        found = self.position or self.home
        if found is None:
            return None
        energy_km = None
        if self.soc_percent is not None:
            energy_km = energy_reach_km(
                rule,
                soc_percent=self.soc_percent,
                energy_kwh=self.energy_kwh,
                soh_percent=self.soh_percent if self.soh_percent is not None else 100.0,
                ambient_c=self.ambient_c,
            )
        return Place(
            lat=found[0], lon=found[1], is_estimated=self.position is None, reach=Reach(energy_km=energy_km)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A repair order as far as deciding needs it."""

    order_id: int
    vehicle_id: int
    tenant_id: int
    component: str
    cause: str
    failure_mode: FailureMode
    severity: Severity
    state: OrderState
    version: int
    deadline: datetime
    station_id: int | None
    slot_start: datetime | None
    total: Decimal
    waiting_reason: str | None
    opened_at: datetime | None = None
    threshold_at: datetime | None = None  #: when the fault may cross its threshold, lower bound
    mode: str = "drive_in"
    customer_total: Decimal = Decimal(0)  #: of the total

    @property
    def shown(self) -> tuple[int | None, datetime | None, Decimal, str]:
        """Return what the owner was shown of the appointment: station, begin, their price and mode."""
        return self.station_id, self.slot_start, self.customer_total, self.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """What the circuit breaker counts orders by: a predictor on the vehicles of one model."""

    tenant_id: int
    failure_mode: FailureMode
    model_version: str
    model_id: str

    def names(self) -> tuple[str, ...]:
        """Return the parts as text."""
        return str(self.tenant_id), self.failure_mode, self.model_version, self.model_id

    def values(self) -> dict[str, object]:
        """Return the parts by name, as the queries take them."""
        return {
            "tenant_id": self.tenant_id,
            "failure_mode": self.failure_mode,
            "model_version": self.model_version,
            "model_id": self.model_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What an order is opened with."""

    vehicle: VehicleFacts
    component: str
    cause: str
    failure_mode: FailureMode
    severity: Severity
    deadline: datetime
    complaint: str
    reasons: Sequence[Mapping[str, object]]
    time_to_threshold_h: tuple[float, float, float] | None  #: p10, p50, p90
    origin: Origin
    prediction_id: int | None
    model_version: str
    idempotency_key: str
    trip_id: int | None = None  #: of the circuit breaker that holds it back
    waiting_reason: str | None = None

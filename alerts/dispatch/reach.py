"""How far the vehicle of an order can be sent, and by which ways it may be. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from alerts.dispatch.jobs import Job
from alerts.dispatch.modes import Way, tire_reach_km, ways_for
from alerts.dispatch.stations import Place
from alerts.facts import Order, VehicleFacts
from alerts.rules import Mode, OrderRule, Policy


def ways_of(
    order: Order, vehicle: VehicleFacts, job: Job, place: Place, *, policy: Policy, now: datetime
) -> tuple[Job, list[Way]]:
    """Return the job with what the urgency asks of its bay, and how vehicle and work may come together."""
    urgency = policy.severities[order.severity]
    modes = (Mode.TOW,) if policy.modes[order.failure_mode].is_towed else urgency.modes
    if urgency.bay_kind is not None and job.needs_hv:
        job = replace(job, extra_bay_kind=urgency.bay_kind)
    reach = replace(place.reach, tire_km=_tire_km(order, policy.order, now))
    return job, list(ways_for(job, modes, policy.order, reach, wish=vehicle.preferred_mode))


def _tire_km(order: Order, rule: OrderRule, now: datetime) -> float | None:
    """Return how far the order's tyre lasts; None: it is about something else, or nobody knows."""
    if order.threshold_at is None or not order.component.startswith("tire "):
        return None
    return tire_reach_km(rule, hours_left=(order.threshold_at - now).total_seconds() / 3600)

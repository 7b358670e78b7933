"""The owner's six stages."""

from __future__ import annotations

from alerts.orders.states import OrderState
from alerts.work.actions import FROM, Action
from api.progress import ARRIVED, STAGES, stage_of


def test_every_state_of_agreed_work_is_in_one_stage() -> None:
    staged = [state for _, states in STAGES for state in states]
    outside = {
        OrderState.PREDICTED,
        OrderState.TRIAGED,
        OrderState.OFFERED,
        OrderState.DECLINED,
        OrderState.CANCELLED,
        OrderState.NO_FAULT_FOUND,
    }

    assert len(staged) == len(set(staged))
    assert set(staged) == set(OrderState) - outside


def test_the_usual_life_never_goes_back_but_for_what_has_to_be_done_again() -> None:
    usual = [
        "booked",
        "checked_in",
        "diagnosing",
        "estimated",
        "parts_reserved",
        "assigned",
        "in_progress",
        "qc",
    ]
    stages = [stage_of(state) for state in [*usual, "ready", "closed"]]

    assert stages == sorted(stage for stage in stages if stage is not None)
    assert stage_of("rework") == stage_of("in_progress")
    assert all((stage_of(state) or 0) >= ARRIVED for state in FROM[Action.DIAGNOSE])

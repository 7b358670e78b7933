"""Forms of the order's and the owner's page: the station's actions, the owner's decision and opinion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from alerts.work.actions import Action, Details
from api.context import Ctx
from api.errors import BadRequest
from api.gates import FormGate
from api.roles import Principal, Role
from api.routes.orders import OrderId, find_order
from api.routes.session import safe_path
from api.routes.work import details_of
from api.work_schemas import WorkAction

router = APIRouter(include_in_schema=False)

Version = Annotated[int, Form(ge=1, lt=2**31)]
Said = Annotated[str, Form(max_length=500)]
Lines = Annotated[list[str], Form(max_length=50)]
Back = Annotated[str, Form(max_length=500)]


def parse_action(**said: Any) -> WorkAction:
    """Return the action of a form; what was left empty is not said.

    Raises:
        BadRequest: A field breaks its rule; names it.
    """
    given = {name: value for name, value in said.items() if value not in ("", [])}
    try:
        return WorkAction.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{where} {str(first.get('input'))[:60]!r}: {first['msg']}") from None


@router.post("/orders/{order_id}/work")
def work_on_order(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(FormGate(Role.STATION, Role.OPERATIONS))],
    order_id: OrderId,
    action: Annotated[str, Form(max_length=40)],
    version: Version,
    key: Annotated[str, Form(min_length=1, max_length=200)],
    reason: Said = "",
    odometer_km: Said = "",
    outcome: Said = "",
    cause: Said = "",
    measured_value: Said = "",
    measured_unit: Said = "",
    trouble_codes: Said = "",
    line_kind: Lines = [],  # noqa: B006 - FastAPI copies it
    line_code: Lines = [],  # noqa: B006
    line_qty: Lines = [],  # noqa: B006
    codes: Lines = [],  # noqa: B006
    bay: Said = "",
    technician: Said = "",
    isolated_by: Said = "",
    isolated_v: Said = "",
    correction: Said = "",
    part_removed: Said = "",
    checked_by: Said = "",
    is_owners_wish: Said = "",
) -> Response:
    """Do one action of the station from the page; lists of names and codes have commas between."""
    find_order(ctx, principal, order_id)
    if not len(line_kind) == len(line_code) == len(line_qty):
        raise BadRequest("lines: each needs kind, code and quantity")
    lines = [
        {"kind": kind, "code": code.strip(), "qty": qty.strip()}
        for kind, code, qty in zip(line_kind, line_code, line_qty, strict=True)
        if code.strip() and qty.strip() not in ("", "0")
    ]
    is_nothing = outcome == "no_fault_found"
    body = parse_action(
        action=action,
        version=version,
        key=key,
        reason=reason.strip(),
        odometer_km=odometer_km,
        outcome=outcome,
        cause="" if is_nothing else cause.strip(),
        measured_value=measured_value,
        measured_unit=measured_unit.strip(),
        trouble_codes=_names(trouble_codes),
        lines=lines,
        codes=codes,
        bay=bay.strip(),
        technician=technician.strip(),
        isolated_by=isolated_by.strip(),
        isolated_v=isolated_v,
        correction=correction.strip(),
        part_removed=part_removed.strip(),
        checked_by=_names(checked_by),
        is_owners_wish=is_owners_wish,
    )
    ctx.commands.act(
        order_id=order_id,
        action=Action(body.action),
        details=details_of(body),
        actor=principal.actor,
        version=body.version,
        key=body.key,
        now=ctx.clock(),
    )
    return RedirectResponse(f"/orders/{order_id}", 303)


@router.post("/orders/{order_id}/approval")
def decide_estimate(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(FormGate(Role.OWNER, Role.OPERATIONS))],
    order_id: OrderId,
    decision: Annotated[Literal["approve", "decline"], Form()],
    version: Version,
    back: Back = "",
) -> Response:
    """Take the owner's decision on a changed price from the page."""
    find_order(ctx, principal, order_id)
    ctx.commands.act(
        order_id=order_id,
        action=Action(decision),
        details=Details(),
        actor=principal.actor,
        version=version,
        key=f"page-{version}-{decision}",
        now=ctx.clock(),
    )
    return RedirectResponse(safe_path(back) or f"/orders/{order_id}", 303)


@router.post("/orders/{order_id}/rating")
def rate_order(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(FormGate(Role.OWNER))],
    order_id: OrderId,
    station_stars: Annotated[int, Form(ge=1, le=5)],
    warning_stars: Annotated[int, Form(ge=1, le=5)],
    comment: Annotated[str, Form(max_length=2000)] = "",
    back: Back = "",
) -> Response:
    """Take the owner's opinion from the page."""
    find_order(ctx, principal, order_id)
    ctx.commands.rate(
        order_id=order_id,
        station_stars=station_stars,
        warning_stars=warning_stars,
        comment=comment.strip(),
        actor=principal.actor,
        now=ctx.clock(),
    )
    return RedirectResponse(safe_path(back) or f"/orders/{order_id}", 303)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace("，", ",").split(",") if name.strip()]

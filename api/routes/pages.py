"""Pages: fleet, vehicle, station inbox, order, owner; and the service worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import resources
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from alerts.orders.states import ENDED, OrderState
from api import paging, store, store_work, views
from api.context import Context, Ctx
from api.gates import FormGate, Gate, Open
from api.pages import render
from api.roles import FLEET, HOMES, PEOPLE, Principal, Role
from api.routes.orders import OrderId, build_work, find_order
from api.routes.session import safe_path
from api.routes.vehicles import find_vehicle
from data.db import Connection, Row, transaction

router = APIRouter(include_in_schema=False)

#: Below this a prediction is not worth a plot.
SHOWN_PROBABILITY = 0.2

Fleet = Annotated[Principal, Depends(Gate(*FLEET))]
Person = Annotated[Principal, Depends(Gate(*PEOPLE))]


@router.get("/")
def show_fleet(request: Request, ctx: Ctx, principal: Person) -> Response:
    """Show the fleet to those who see it; send everyone else to where they begin."""
    if principal.role not in FLEET:
        return RedirectResponse(HOMES[principal.role], 303)
    with transaction(ctx.pool) as connection:
        stations = store.fetch_stations(connection, principal, limit=500)
    return render(
        request,
        "fleet.html",
        principal,
        stations=stations,
        **_fleet_rows(ctx, principal, cursor=None, has_alerts=False),
    )


@router.get("/fleet/rows")
def show_fleet_rows(
    request: Request,
    ctx: Ctx,
    principal: Fleet,
    cursor: paging.Cursor = None,
    has_alerts: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """Show a part of the fleet list."""
    values = _fleet_rows(ctx, principal, cursor=cursor, has_alerts=has_alerts)
    return render(request, "_fleet_more.html" if cursor else "_fleet_rows.html", principal, **values)


def _fleet_rows(
    ctx: Context, principal: Principal, *, cursor: str | None, has_alerts: bool
) -> dict[str, Any]:
    now, limit = ctx.clock(), 100
    after = paging.parse_cursor(cursor, "str", "str")
    with transaction(ctx.pool) as connection:
        totals = store.fetch_fleet_totals(connection, principal, now=now)
        rows = store.fetch_vehicles(
            connection,
            principal,
            limit=limit + 1,
            after_rank=str(after[0]) if after else "",
            after=str(after[1]) if after else None,
            only_alerts=has_alerts,
            is_urgent_first=True,
        )
    page, last = paging.cut(rows, limit)
    return {
        "totals": totals,
        "has_alerts": has_alerts,
        "vehicles": [views.build_vehicle(row, now=now) for row in page],
        "next_cursor": paging.make_cursor(last["rank"], last["vin"]) if last else None,
    }


@router.get("/vehicles/{vin}")
def show_vehicle(request: Request, ctx: Ctx, principal: Person, vin: str) -> HTMLResponse:
    """Show a vehicle with plots, evidence, gaps, alerts and orders."""
    return render(request, "vehicle.html", principal, **_vehicle(ctx, principal, vin))


@router.get("/vehicles/{vin}/state")
def show_vehicle_state(request: Request, ctx: Ctx, principal: Person, vin: str) -> HTMLResponse:
    """Show the part of the vehicle page that changes."""
    return render(request, "_vehicle_state.html", principal, **_vehicle(ctx, principal, vin))


def _vehicle(ctx: Context, principal: Principal, vin: str) -> dict[str, Any]:
    now = ctx.clock()
    with transaction(ctx.pool) as connection:
        row = find_vehicle(connection, principal, vin)
        vehicle_id = row["vehicle_id"]
        predictions = store.fetch_predictions(
            connection, principal, vehicle_id=vehicle_id, at_least=SHOWN_PROBABILITY, limit=20
        )
        alerts = store.fetch_alerts(connection, principal, vehicle_id=vehicle_id, limit=50)
        orders = store.fetch_orders(connection, principal, vehicle_id=vehicle_id, limit=50)
        streams = store.fetch_streams(connection, vehicle_id, limit=10)
        quality, clock = _quality(connection, principal, vehicle_id, now)
        events = store.fetch_event_rows(connection, row, until=None, limit=20)
    shown = [views.build_prediction(p, now=now) for p in predictions]
    return {
        "vehicle": views.build_vehicle(row, now=now),
        "predictions": sorted(shown, key=lambda p: -p.probability),
        "alerts": [views.build_alert(alert, now=now) for alert in alerts],
        "orders": [views.build_order(order, now=now) for order in orders],
        "streams": streams,
        "quality": quality,
        "clock": clock,
        "events": events,
    }


def _quality(
    connection: Connection, principal: Principal, vehicle_id: int, now: datetime
) -> tuple[list[Row], Row | None]:
    """Return what was not believed within a week, and the clock, for those who can do something about it."""
    if principal.role not in FLEET:
        return [], None
    since = (now - timedelta(days=6)).date()
    found = store.fetch_quality(connection, vehicle_id, since=since, limit=12)
    return found, store.fetch_clock(connection, vehicle_id)


@router.get("/station")
def show_station(
    request: Request, ctx: Ctx, principal: Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]
) -> HTMLResponse:
    """Show the inbox of a station; operations see that of all stations."""
    with transaction(ctx.pool) as connection:
        stations = store.fetch_stations(connection, principal, limit=500)
    return render(request, "station.html", principal, stations=stations, orders=_inbox(ctx, principal))


@router.get("/station/inbox")
def show_inbox(
    request: Request, ctx: Ctx, principal: Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]
) -> HTMLResponse:
    """Show the inbox alone."""
    return render(request, "_inbox.html", principal, orders=_inbox(ctx, principal))


def _inbox(ctx: Context, principal: Principal) -> list[Any]:
    now = ctx.clock()
    with transaction(ctx.pool) as connection:
        rows = store.fetch_orders(connection, principal, only_open=True, limit=200)
    return [views.build_order(row, now=now) for row in rows]


@router.get("/orders/{order_id}")
def show_order(request: Request, ctx: Ctx, principal: Person, order_id: OrderId) -> HTMLResponse:
    """Show an order with everything it was decided on."""
    order = find_order(ctx, principal, order_id)
    prediction = None
    if order.prediction_id is not None:
        with transaction(ctx.pool) as connection:
            rows = store.fetch_predictions(
                connection, principal, prediction_id=order.prediction_id, only_newest=False, limit=1
            )
        prediction = views.build_prediction(rows[0], now=ctx.clock()) if rows else None
    return render(request, "order.html", principal, order=order, prediction=prediction)


@router.post("/orders/{order_id}/answer")
def answer_order(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(FormGate(Role.OWNER, Role.OPERATIONS))],
    order_id: OrderId,
    answer: Annotated[Literal["yes", "no", "later"], Form()],
    version: Annotated[int, Form(ge=1, lt=2**31)],
    shares_data: Annotated[bool, Form()] = False,
    back: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Take the owner's answer from the page."""
    order = find_order(ctx, principal, order_id)
    done = ctx.commands.answer(
        order_id=order.order_id,
        answer=answer,
        actor=principal.actor,
        version=version,
        now=ctx.clock(),
        shares_data=shares_data,
    )
    target = safe_path(back) or f"/orders/{order_id}"
    return RedirectResponse(f"{target}?changed=1" if done.is_changed else target, 303)


@router.get("/owner")
def show_owner(
    request: Request,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OWNER))],
    changed: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """Show an owner their car: what, how urgent, what to do, what happens next."""
    return render(
        request, "owner.html", principal, changed=changed, push_key=ctx.push_key, **_owner(ctx, principal)
    )


@router.get("/owner/cards")
def show_owner_cards(
    request: Request, ctx: Ctx, principal: Annotated[Principal, Depends(Gate(Role.OWNER))]
) -> HTMLResponse:
    """Show the part of the owner page that changes."""
    return render(request, "_owner_cards.html", principal, **_owner(ctx, principal))


def _owner(ctx: Context, principal: Principal) -> dict[str, Any]:
    now = ctx.clock()
    with transaction(ctx.pool) as connection:
        vehicles = store.fetch_vehicles(connection, principal, limit=20)
        warnings = [views.build_warning(w) for w in store.fetch_warnings(connection, principal, limit=20)]
        orders = []
        for row in store.fetch_orders(connection, principal, limit=20):
            details = store.fetch_order_details(connection, row["order_id"])
            order = views.build_order(row, now=now, details=details)
            work = build_work(store_work.fetch_work(connection, row["order_id"]), principal, order.state)
            orders.append(order.model_copy(update={"work": work}))
        alerts = store.fetch_alerts(connection, principal, only_open=True, limit=50)
    ordered = {order.order_id for order in orders if OrderState(order.state) not in ENDED}
    return {
        "vehicles": [views.build_vehicle(row, now=now) for row in vehicles],
        "waiting": [views.build_alert(a, now=now) for a in alerts if a["order_id"] not in ordered],
        "orders": orders,
        "warnings": warnings,
        "newest_warning": {w.order_id: w for w in reversed(warnings) if w.order_id},
    }


@router.get("/sw.js", dependencies=[Depends(Open())])
def get_service_worker() -> Response:
    """Return the service worker from the root, so that it may serve the whole site."""
    script = resources.files("api").joinpath("web/static/sw.js").read_bytes()
    return Response(script, media_type="text/javascript", headers={"cache-control": "no-cache"})

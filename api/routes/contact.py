"""JSON: how an owner is reached, webhooks of stations and of the desk, a person's acknowledgement."""

from __future__ import annotations

import secrets
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from alerts.telling.contacts import ContactBook, Wishes, check_address
from alerts.telling.gateways import load_gateways
from alerts.telling.webhook_book import WebhookBook
from api import contact_schemas as shapes
from api import store
from api.context import Context, Ctx
from api.errors import BadRequest, NotFound
from api.gates import Gate, SameOriginGate
from api.roles import Principal, Role
from api.routes.push import check_endpoint
from data.audit import Deed
from data.db import Connection, transaction

router = APIRouter(prefix="/api/v1", tags=["contact"])

Owner = Annotated[Principal, Depends(Gate(Role.OWNER))]
Registrar = Annotated[Principal, Depends(Gate(Role.STATION, Role.OPERATIONS))]
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]


def book_of(connection: Connection, principal: Principal) -> ContactBook:
    """Return the contact ways of an owner."""
    return ContactBook(connection, tenant_id=principal.tenant_id, owner_id=principal.owner_id or 0)


def deed_of(ctx: Context, principal: Principal) -> Deed:
    """Return who does something now."""
    return Deed(actor=principal.actor, now=ctx.clock())


def new_code() -> str:
    """Return six digits that nobody can guess."""
    return f"{secrets.randbelow(10**6):06}"


def contact_of(ctx: Context, book: ContactBook) -> shapes.Contact:
    """Return how an owner is reached."""
    gateways = sorted(load_gateways(ctx.settings.gateways))
    channels = ["email"] * bool(ctx.settings.smtp_url) + ["apprise"] * bool(gateways) + ["webhook"]
    return shapes.Contact(
        language=book.owner["locale"],
        quiet_from=book.owner["quiet_from"],
        quiet_to=book.owner["quiet_to"],
        time_zone=book.owner["time_zone"],
        order=book.order(),  # type: ignore[arg-type]
        ways=[way_of(row) for row in book.ways()],
        channels=channels,
        gateways=gateways,
    )


def way_of(row: dict[str, object]) -> shapes.ContactWay:
    """Return a way without its place, which the order tells."""
    return shapes.ContactWay.model_validate({k: v for k, v in row.items() if k != "rank"})


@router.get("/contact", summary="How this owner is reached")
def get_contact(ctx: Ctx, principal: Owner) -> shapes.Contact:
    """Return ways, order of fallback, quiet hours and language."""
    with transaction(ctx.pool) as connection:
        return contact_of(ctx, book_of(connection, principal))


@router.put("/contact", summary="Language, quiet hours and order of fallback")
def put_contact(ctx: Ctx, principal: Owner, body: shapes.ContactWishes) -> shapes.Contact:
    """Set all of them."""
    quiet = None
    if body.quiet_from is not None and body.quiet_to is not None:
        quiet = (body.quiet_from.replace(tzinfo=None), body.quiet_to.replace(tzinfo=None))
    wishes = Wishes(locale=body.language, quiet=quiet, time_zone=body.time_zone, order=body.order)
    with transaction(ctx.pool) as connection:
        book = book_of(connection, principal)
        book.wish(wishes, deed=deed_of(ctx, principal))
        return contact_of(ctx, book)


@router.get("/contact/preference", summary="This owner's station and way of repair")
def get_preference(ctx: Ctx, principal: Owner) -> shapes.Preference:
    """Return what is asked first when an appointment is planned."""
    with transaction(ctx.pool) as connection:
        return shapes.Preference(**book_of(connection, principal).preference())


@router.put("/contact/preference", summary="Choose station and way of repair")
def put_preference(ctx: Ctx, principal: Owner, body: shapes.Preference) -> shapes.Preference:
    """Set both; appointments that are agreed stay as they are."""
    with transaction(ctx.pool) as connection:
        book = book_of(connection, principal)
        book.prefer(station=body.station, mode=body.mode, deed=deed_of(ctx, principal))
        return shapes.Preference(**book.preference())


@router.post("/contact/ways", status_code=201, summary="Add a way; a code is sent there")
def add_way(ctx: Ctx, principal: Owner, body: shapes.NewContactWay) -> shapes.AddedContactWay:
    """Add a way; nothing but codes is sent there until it is verified."""
    if body.channel == "webhook":
        check_endpoint(body.address, is_loopback_allowed=ctx.settings.push_allow_loopback, field="address")
    gateways = load_gateways(ctx.settings.gateways)
    check_address(body.channel, body.address, gateways, has_mail=bool(ctx.settings.smtp_url))
    secret = secrets.token_urlsafe(32) if body.channel == "webhook" else None
    with transaction(ctx.pool) as connection:
        book = book_of(connection, principal)
        contact_id = book.add(
            channel=body.channel,
            address=body.address,
            secret=secret,
            is_emergency=body.is_emergency,
            code=new_code(),
            deed=deed_of(ctx, principal),
        )
        (made,) = (way_of(row) for row in book.ways() if row["contact_id"] == contact_id)
    return shapes.AddedContactWay(**made.model_dump(), secret=secret)


@router.post("/contact/ways/{contact_id}/code", status_code=204, summary="Send another code")
def send_code(ctx: Ctx, principal: Owner, contact_id: Id) -> None:
    """Send a new code; at most one a minute."""
    with transaction(ctx.pool) as connection:
        book_of(connection, principal).send_code(contact_id, code=new_code(), now=ctx.clock())


@router.post("/contact/ways/{contact_id}/verification", summary="The code that arrived")
def verify_way(ctx: Ctx, principal: Owner, contact_id: Id, body: shapes.Code) -> shapes.Contact:
    """Take the code; a code is good for 15 minutes and five tries."""
    with transaction(ctx.pool) as connection:
        book = book_of(connection, principal)
        is_right = book.verify(contact_id, code=body.code, deed=deed_of(ctx, principal))
        found = contact_of(ctx, book)
    if not is_right:
        raise BadRequest("code: is not the one that was sent, or is void; have another one sent")
    return found


@router.delete("/contact/ways/{contact_id}", status_code=204, summary="Send nothing more there")
def remove_way(ctx: Ctx, principal: Owner, contact_id: Id) -> None:
    """Forget a way."""
    with transaction(ctx.pool) as connection:
        book_of(connection, principal).remove(contact_id, deed=deed_of(ctx, principal))


@router.post("/warnings/{warning_id}/acknowledgement", status_code=204, summary="A person knows")
def acknowledge(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(SameOriginGate(Role.OWNER, Role.OPERATIONS))],
    warning_id: UUID,
) -> None:
    """Note that a person knows of a warning; nobody else is told, and doing it twice changes nothing."""
    with transaction(ctx.pool) as connection:
        if not store.fetch_warnings(connection, principal, warning_id=warning_id, limit=1):
            raise NotFound(f"warning {warning_id}: there is no such warning here")
    ctx.commands.acknowledge(warning_id=warning_id, actor=principal.actor, now=ctx.clock())


@router.get("/webhooks", tags=["webhooks"], summary="Systems that are told, and how they do")
def list_webhooks(ctx: Ctx, principal: Registrar) -> shapes.Webhooks:
    """Return all webhooks; a station sees its own."""
    with transaction(ctx.pool) as connection:
        return shapes.Webhooks(
            items=[shapes.Webhook(**row) for row in webhooks_of(connection, principal).list()]
        )


@router.post("/webhooks", tags=["webhooks"], status_code=201, summary="Tell a system by signed messages")
def add_webhook(ctx: Ctx, principal: Registrar, body: shapes.NewWebhook) -> shapes.AddedWebhook:
    """Register a webhook; its key is shown this once."""
    check_endpoint(
        body.url,
        is_loopback_allowed=ctx.settings.push_allow_loopback,
        is_private_allowed=ctx.settings.webhook_allow_private,
        field="url",
    )
    secret = secrets.token_urlsafe(32)
    with transaction(ctx.pool) as connection:
        webhook_id = webhooks_of(connection, principal).add(
            station=body.station, url=body.url, secret=secret, deed=deed_of(ctx, principal)
        )
    return shapes.AddedWebhook(webhook_id=webhook_id, secret=secret)


@router.delete("/webhooks/{webhook_id}", tags=["webhooks"], status_code=204, summary="Tell it nothing more")
def remove_webhook(ctx: Ctx, principal: Registrar, webhook_id: Id) -> None:
    """Forget a webhook with all that waits for it."""
    with transaction(ctx.pool) as connection:
        webhooks_of(connection, principal).remove(webhook_id, deed=deed_of(ctx, principal))


def webhooks_of(connection: Connection, principal: Principal) -> WebhookBook:
    """Return the webhooks that a caller may see to."""
    return WebhookBook(connection, tenant_id=principal.tenant_id, station_id=principal.station_id)

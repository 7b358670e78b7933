"""JSON: Web Push subscriptions of owners, and receipts of warnings shown."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends

from api import notice_schemas, store
from api.context import Ctx
from api.errors import BadRequest, NotFound
from api.gates import Gate, SameOriginGate
from api.roles import Principal, Role
from data.db import transaction

router = APIRouter(prefix="/api/v1", tags=["push"])

#: A name with a domain; one that ends in a number is a disguised IPv4 address (URL Standard, host parser).
_PUBLIC_NAME = re.compile(r".+\.(?!\d|0x)[^.]+")


@router.get("/push/key", summary="The key that a browser subscribes with")
def get_key(ctx: Ctx, _: Annotated[Principal, Depends(Gate(Role.OWNER))]) -> notice_schemas.PushKey:
    """Return the VAPID public key (RFC 8292)."""
    return notice_schemas.PushKey(key=ctx.push_key)


@router.post("/push/subscriptions", status_code=201, summary="Send this owner's warnings to a browser")
def subscribe(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(Role.OWNER))], body: notice_schemas.Subscription
) -> notice_schemas.Endpoint:
    """Store a subscription; the same endpoint again replaces its keys."""
    check_endpoint(body.endpoint, is_loopback_allowed=ctx.settings.push_allow_loopback)
    check_key("keys.p256dh", body.keys.p256dh, 65)
    check_key("keys.auth", body.keys.auth, 16)
    with transaction(ctx.pool) as connection:
        store.upsert_subscription(
            connection,
            owner_id=principal.owner_id,
            endpoint=body.endpoint,
            p256dh=body.keys.p256dh,
            auth=body.keys.auth,
            now=ctx.clock(),
        )
    return notice_schemas.Endpoint(endpoint=body.endpoint)


@router.delete("/push/subscriptions", status_code=204, summary="Send nothing more to a browser")
def unsubscribe(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(Role.OWNER))], body: notice_schemas.Endpoint
) -> None:
    """Forget a subscription of this owner."""
    with transaction(ctx.pool) as connection:
        found = store.delete_subscription(
            connection, owner_id=principal.owner_id or 0, endpoint=body.endpoint.replace("\0", "")
        )
    if not found:
        raise NotFound("endpoint: this owner has no such subscription")


@router.post("/receipts/{warning_id}", status_code=204, summary="A browser showed a warning")
def receive(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(SameOriginGate(Role.OWNER))],
    warning_id: UUID,
    body: notice_schemas.Receipt,
) -> None:
    """Note that the warning was shown; saying so twice changes nothing."""
    with transaction(ctx.pool) as connection:
        if not store.fetch_warnings(connection, principal, warning_id=warning_id, limit=1):
            raise NotFound(f"warning {warning_id}: there is no such warning here")
    ctx.commands.receive(warning_id=warning_id, endpoint=body.endpoint, now=ctx.clock())


def check_endpoint(
    endpoint: str, *, is_loopback_allowed: bool, is_private_allowed: bool = False, field: str = "endpoint"
) -> None:
    """Pass for an https address outside this machine, or on it where settings allow that.

    Raises:
        BadRequest: Any other address; the sender would otherwise call whatever it is told to.
    """
    try:
        parts = urlsplit(endpoint)
        host = (parts.hostname or "").removesuffix(".")
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host or not endpoint.isascii() or not endpoint.isprintable() or parts.username is not None:
        raise BadRequest(f"{field} {endpoint[:80]!r}: must be a public https address")
    try:
        address = ip_address(host)
        is_private, is_loopback = not address.is_global, address.is_loopback
    except ValueError:
        is_loopback = host == "localhost" or host.endswith(".localhost")
        is_private = is_loopback or not _PUBLIC_NAME.fullmatch(host) or host.endswith((".local", ".internal"))
    if is_loopback and is_loopback_allowed and parts.scheme in {"http", "https"}:
        return
    if parts.scheme != "https" or is_loopback or (is_private and not is_private_allowed):
        raise BadRequest(f"{field} {endpoint[:80]!r}: must be a public https address")


def check_key(field: str, text: str, length: int) -> None:
    """Pass for base64url of ``length`` bytes (RFC 8291 §2).

    Raises:
        BadRequest: Anything else.
    """
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != length:
        raise BadRequest(f"{field} {text[:20]!r}: must be base64url of {length} bytes")

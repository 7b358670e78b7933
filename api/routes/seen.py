"""The page behind the link of a letter: a button that says that a person has read the warning."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse

from alerts.errors import InvalidSignature, LinkExpired
from alerts.telling.ack_link import PATH, read_token
from api.context import Context, Ctx
from api.errors import NotFound
from api.gates import Open
from api.pages import render

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(max_length=64)]

#: Who acknowledges: whoever can read the owner's mail.
ACTOR = "owner:link in a letter"


@router.get(PATH + "{token}", dependencies=[Depends(Open())])
def show_button(request: Request, ctx: Ctx, token: Token) -> HTMLResponse:
    """Ask; looking changes nothing, whoever or whatever looks."""
    return _answer(request, ctx, token, is_said=False)


@router.post(PATH + "{token}", dependencies=[Depends(Open())])
def say_seen(request: Request, ctx: Ctx, token: Token) -> HTMLResponse:
    """Note that a person knows; doing it twice changes nothing."""
    return _answer(request, ctx, token, is_said=True)


def _answer(request: Request, ctx: Context, token: str, *, is_said: bool) -> HTMLResponse:
    now, state = ctx.clock(), "asked"
    try:
        warning_id = read_token(ctx.link_key, token, now=now)
        if is_said:
            state = "noted"
            if not ctx.commands.acknowledge(warning_id=warning_id, actor=ACTOR, now=now):
                raise NotFound("the warning of this link is not kept any more")
    except InvalidSignature as error:
        raise NotFound(str(error)) from None
    except LinkExpired:
        state = "expired"
    page = render(request, "seen.html", None, status=410 if state == "expired" else 200, state=state)
    page.headers["x-robots-tag"] = "noindex"
    return page

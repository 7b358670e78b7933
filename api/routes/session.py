"""Log in, log out, choose a language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import SESSION_HOURS
from api.context import Context, Ctx
from api.errors import TooManyAttempts, Unauthenticated
from api.gates import COOKIE, FormGate, Open, check_same_origin, find_principal
from api.pages import LANGUAGE_COOKIE, render, words_for
from api.roles import HOMES, PEOPLE, Principal
from api.texts import LANGUAGES

router = APIRouter(include_in_schema=False)


def safe_path(path: str) -> str:
    """Return a path of this site, or nothing for anything a browser would take for another site."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else ""


def is_https(ctx: Context) -> bool:
    """Tell whether cookies must be kept off plain HTTP."""
    return ctx.settings.base_url.startswith("https:")


@router.get("/login", dependencies=[Depends(Open())])
def show_login(request: Request, next: str = "") -> Response:  # noqa: A002  # the query parameter's name
    """Show the login form, or the caller's home when already logged in."""
    principal = find_principal(request) if request.cookies.get(COOKIE) else None
    if principal:
        return RedirectResponse(HOMES[principal.role], 303)
    return render(request, "login.html", None, next_path=safe_path(next), problem="")


@router.post("/login", dependencies=[Depends(Open())])
def log_in(
    request: Request,
    ctx: Ctx,
    login: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=256)],
    next: Annotated[str, Form(max_length=500)] = "",  # noqa: A002  # the form field's name
) -> Response:
    """Begin a session."""
    check_same_origin(request)
    address = request.client.host if request.client else "unknown"
    words = words_for(request)
    try:
        session = ctx.accounts.log_in(login.replace("\0", ""), password, address=address)
    except Unauthenticated:
        return _refuse(request, 401, words.t("login.wrong"), next, {})
    except TooManyAttempts as error:
        wait = f"{error.retry_after_s:.0f}"
        return _refuse(request, 429, words.t("login.wait", n=wait), next, {"retry-after": wait})
    answer = RedirectResponse(safe_path(next) or HOMES[session.principal.role], 303)
    answer.set_cookie(
        COOKIE,
        session.token,
        max_age=SESSION_HOURS * 3600,
        httponly=True,
        samesite="lax",
        secure=is_https(ctx),
    )
    return answer


def _refuse(
    request: Request, status: int, problem: str, next_path: str, headers: dict[str, str]
) -> HTMLResponse:
    page = render(request, "login.html", None, status=status, next_path=safe_path(next_path), problem=problem)
    page.headers.update(headers)
    return page


@router.post("/logout")
def log_out(request: Request, ctx: Ctx, _: Annotated[Principal, Depends(FormGate(*PEOPLE))]) -> Response:
    """End the session."""
    ctx.accounts.log_out(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/language/{language}", dependencies=[Depends(Open())])
def set_language(ctx: Ctx, language: str, next: str = "") -> Response:  # noqa: A002  # the query parameter's name
    """Remember a language and go back."""
    answer = RedirectResponse(safe_path(next) or "/", 303)
    if language in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, samesite="lax", secure=is_https(ctx))
    return answer

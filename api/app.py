"""The application: routes behind gates, errors as problem details or pages, security headers around all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from alerts.guidance.book import load_book
from api import gates
from api.access import Accounts
from api.context import Commands, Context
from api.errors import TooManyAttempts, Unauthenticated, answer_for
from api.live import Hub
from api.metrics import Meters
from api.middleware import BodyLimit, Headers, RequestMeter, build_policy
from api.pages import make_environment, render_error
from api.routes import (
    boards,
    breaker,
    concerns,
    contact,
    diagnosis,
    findings,
    guidance,
    health,
    orders,
    pages,
    parts,
    predictions,
    predictors,
    push,
    reports,
    seen,
    session,
    silence,
    stations,
    stream,
    vehicles,
    work,
    work_pages,
)
from api.schemas import Problem
from api.texts import load_texts
from data.db import Pool
from data.errors import AnxinError, DatabaseError
from data.settings import Settings

logger = structlog.get_logger()

TAGS = [
    {"name": "vehicles", "description": "Vehicles, readings, events and what has not arrived yet"},
    {"name": "predictions", "description": "What predictors say, with reasons and evidence"},
    {"name": "alerts", "description": "Conditions to know of and plan for"},
    {"name": "orders", "description": "Repair orders and the owner's answer"},
    {"name": "guidance", "description": "What to check, in which order, how to be safe"},
    {"name": "predictors", "description": "Which predictors are live; those that order too much"},
    {"name": "reports", "description": "What became of predictions and repairs"},
    {"name": "stations", "description": "Service stations"},
    {"name": "parts", "description": "Parts on their way to stations"},
    {"name": "warnings", "description": "Warnings to owners and vehicles"},
    {"name": "push", "description": "Web Push subscriptions and receipts"},
    {"name": "contact", "description": "How an owner is reached, in which order, and when not"},
    {
        "name": "webhooks",
        "description": "Systems of stations and of the desk that are told by signed messages",
    },
    {"name": "rejects", "description": "Messages that could not be read"},
    {"name": "live", "description": "Server-sent events"},
    {"name": "health", "description": "Health, metrics, this description"},
]


def list_routers() -> tuple[APIRouter, ...]:
    """Return all routers of the API."""
    return (
        vehicles.router,
        predictions.router,
        findings.router,
        orders.router,
        work.router,
        guidance.router,
        diagnosis.router,
        reports.router,
        breaker.router,
        concerns.router,
        parts.router,
        predictors.router,
        silence.router,
        stations.router,
        boards.router,
        push.router,
        contact.router,
        stream.router,
        health.router,
        seen.router,
        session.router,
        pages.router,
        work_pages.router,
    )


def create_app(
    settings: Settings,
    pool: Pool,
    *,
    commands: Commands,
    clock: Callable[[], datetime],
    link_key: bytes,
    push_key: str = "",
    hub: Hub | None = None,
    routers: tuple[APIRouter, ...] | None = None,
) -> FastAPI:
    """Return the application; ``app.state.route_table`` lists every route and who may call it.

    Raises:
        UndeclaredRoute: A route does not declare its roles.
    """
    routers = routers or list_routers()
    table = gates.declare(routers)
    load_book()  # guidance that breaks a rule is found at start, not by a technician
    web = resources.files("api").joinpath("web")
    static = Path(str(web.joinpath("static")))
    texts, meters = load_texts(), Meters()
    assets = _fingerprint(static)
    app = FastAPI(
        title="Anxin",
        version="1",
        summary="Vehicles, what is about to fail in them, and the repair already arranged.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        openapi_tags=TAGS,
        responses={
            code: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
            for code, text in ((401, "Not logged in"), (403, "Not allowed"), (422, "Request breaks a rule"))
        },
    )
    app.state.context = Context(
        settings=settings,
        pool=pool,
        clock=clock,
        accounts=Accounts(pool, clock=clock),
        commands=commands,
        hub=hub or Hub(),
        meters=meters,
        pages=make_environment(assets=assets),
        texts=texts,
        push_key=push_key,
        link_key=link_key,
        assets=assets,
    )
    app.state.route_table = table
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=static), name="static")
    app.add_exception_handler(AnxinError, _on_error)
    app.add_exception_handler(HTTPException, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    app.add_exception_handler(Exception, _on_error)
    tiles = urlsplit(settings.map_tiles_url)
    app.add_middleware(BodyLimit)
    app.add_middleware(
        Headers,
        policy=build_policy(f"{tiles.scheme}://{tiles.netloc}" if tiles.netloc else ""),
        is_https=settings.base_url.startswith("https:"),
    )
    app.add_middleware(RequestMeter, meters=meters)
    return app


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _on_error(request: Request, error: Exception) -> Response:
    status, title, detail, headers = _explain(error)
    if status >= 500:
        logger.error(
            "request failed",
            action="http_error",
            status=status,
            route=getattr(request.scope.get("route"), "path", None),
            error=type(error).__name__,
            detail=str(error).partition("\n")[0][:200],  # what follows may hold values of rows
        )
    path = request.url.path
    if path.startswith(("/api/", "/health/", "/metrics", "/events", "/static/")):
        problem = Problem(title=title, status=status, detail=detail, instance=path)
        return JSONResponse(
            problem.model_dump(), status, headers=headers, media_type="application/problem+json"
        )
    if isinstance(error, Unauthenticated) and request.method == "GET":
        return RedirectResponse(f"/login?next={quote(path)}", 303)
    return render_error(request, status, title, detail, headers)


def _explain(error: Exception) -> tuple[int, str, str, dict[str, str]]:
    if isinstance(error, DatabaseError) and isinstance(error.__cause__, psycopg.DataError):
        return 422, "Request breaks a rule", "a value is outside what the database can hold", {}
    if isinstance(error, AnxinError):
        answer = answer_for(error)
        headers = {}
        if isinstance(error, TooManyAttempts):
            headers["retry-after"] = f"{error.retry_after_s:.0f}"
        if answer.status == 401:
            headers["www-authenticate"] = "Bearer"
        detail = str(error) if answer.status < 500 else answer.title
        return answer.status, answer.title, detail, headers
    if isinstance(error, RequestValidationError):
        return 422, "Request breaks a rule", "; ".join(_rule(e) for e in error.errors()[:5]), {}
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail), str(error.detail), dict(error.headers or {})
    return 500, "Internal error", "Internal error", {}


def _rule(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    value = repr(problem.get("input"))[:60]
    return f"{where} {value}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"

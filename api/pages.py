"""Rendering of pages: the template environment, its filters, and what every page is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.context import get_context
from api.progress import ARRIVED, STAGES, stage_of
from api.roles import HOMES, Principal
from api.texts import LANGUAGES, pick_language
from data.records import FailureMode

LANGUAGE_COOKIE = "anxin_lang"


def make_environment(*, assets: str) -> Environment:
    """Return the template environment; undefined names are errors, everything is escaped."""
    environment = Environment(
        loader=PackageLoader("api", "web/templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        languages=LANGUAGES,
        assets=assets,
        stations_on_map=stations_on_map,
        plot_words=plot_words,
        age_words=age_words,
        map_words=map_words,
        stages=[name for name, _ in STAGES],
        stage_of=stage_of,
        arrived=ARRIVED,
        repairable=frozenset(str(mode) for mode in FailureMode),
    )
    return environment


@dataclass(frozen=True, slots=True)
class Words:
    """What templates say things with, in one language."""

    language: str
    texts: Mapping[str, str]
    year: int  #: this year is left out of dates

    def t(self, key: str, **values: object) -> str:
        """Return a text of the catalogue with its values filled in."""
        return self.texts[key].format(**values)

    def name(self, section: str, key: str | None) -> str:
        """Return the word for a code such as a state; the code itself where there is none yet."""
        return self.texts.get(f"{section}.{key}", (key or "").replace("_", " "))

    def component(self, component: str) -> str:
        """Return ``tire front-left`` or ``cell 82`` in words."""
        kind, _, which = component.partition(" ")
        pattern = self.texts.get(f"component.{kind}")
        return pattern.format(which=self.name("wheel", which)).strip() if pattern else component

    def advice(self, order: object) -> str:
        """Return what to do now; a battery also wants care when charging."""
        severity, component = getattr(order, "severity", ""), str(getattr(order, "component", ""))
        special = component.startswith(("cell", "battery")) and self.texts.get(f"do_battery.{severity}")
        return special or self.name("do", severity)

    def of(self, row: Mapping[str, Any] | object, field: str) -> str:
        """Return ``field_en`` or ``field_zh`` of a row or shape."""
        name = f"{field}_{self.language}"
        value = row.get(name, "") if isinstance(row, Mapping) else getattr(row, name)
        return str(value or "")

    def ago(self, seconds: float | None) -> str:
        """Return an age in the largest unit that gives at least 1."""
        if seconds is None:
            return self.texts["age.never"]
        for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
            if seconds >= length:
                return self.t(f"age.{unit}", n=int(seconds // length))
        return self.t("age.seconds", n=max(0, int(seconds)))

    def lasting(self, hours: float | None) -> str:
        """Return a duration: hours below two days, else days."""
        if hours is None:
            return "–"
        return (
            self.t("age.span_days", n=f"{hours / 24:.1f}".removesuffix(".0"))
            if hours >= 48
            else self.t("age.span_hours", n=f"{hours:.0f}")
        )

    def when(self, time: datetime | str | None, zone: str) -> str:
        """Return a local time with its weekday, the year only where it is not this one."""
        if time is None:
            return "–"
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        local = moment.astimezone(ZoneInfo(zone))
        day = f"{local:%m-%d}" if local.year == self.year else f"{local:%Y-%m-%d}"
        return f"{self.texts[f'weekday.{local.isoweekday()}']} {day} {local:%H:%M}".replace(" ", "\u00a0")

    def day(self, day: date) -> str:
        """Return a day of the calendar with its weekday."""
        return f"{self.texts[f'weekday.{day.isoweekday()}']} {day:%Y-%m-%d}".replace(" ", "\u00a0")

    def clock(self, time: datetime, zone: str) -> str:
        """Return the local time of day."""
        return f"{time.astimezone(ZoneInfo(zone)):%H:%M}"

    def number(self, value: float | Decimal | None, digits: int = 1) -> str:
        """Return a number with a thin space between thousands; a dash for missing."""
        if value is None or isnan(value):
            return "–"
        return f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "−")

    def short(self, value: float | None) -> str:
        """Return a number with about three significant digits."""
        if value is None:
            return "–"
        size = abs(value)
        return self.number(value, 0 if size >= 100 else 1 if size >= 10 else 2)

    def exact(self, value: float | None) -> str:
        """Return a reading with up to three decimals, as many as it has; a dash for missing."""
        if value is None:
            return "–"
        text = f"{value:,.3f}".rstrip("0").rstrip(".")
        return text.replace(",", "\u202f").replace("-", "−")

    def quantity(self, value: float | Decimal | str) -> str:
        """Return a quantity with the decimals that it has."""
        return f"{Decimal(str(value)).normalize():f}"

    def money(self, value: float | Decimal | str, currency: str) -> str:
        """Return an amount with its currency."""
        sign = {"CNY": "¥", "EUR": "€", "USD": "$"}.get(currency, f"{currency} ")
        return f"{sign}{self.number(Decimal(str(value)), 2)}"


def words_for(request: Request) -> Words:
    """Return the words in the language of the request."""
    context = get_context(request)
    language = pick_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
    return Words(language, context.texts[language], context.clock().year)


def render(
    request: Request, template: str, principal: Principal | None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page."""
    context = get_context(request)
    words = words_for(request)
    page: Callable[..., str] = context.pages.get_template(template).render
    html = page(
        words=words,
        t=words.t,
        language=words.language,
        principal=principal,
        home=HOMES.get(principal.role, "/login") if principal else "/login",
        path=request.url.path,
        now=context.clock(),
        status=status,
        tiles_url=context.settings.map_tiles_url,
        **values,
    )
    return HTMLResponse(html, status, headers={"vary": "Cookie, Accept-Language"})


def render_error(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str]
) -> HTMLResponse:
    """Return an error as a page."""
    page = render(request, "error.html", None, status=status, title=title, detail=detail)
    page.headers.update(headers)
    return page


def stations_on_map(stations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the map shows of stations."""
    return [
        {name: station[name] for name in ("code", "name_en", "name_zh", "lat", "lon")} for station in stations
    ]


def age_words(words: Words) -> dict[str, str]:
    """Return the patterns of ages that go on counting in the page."""
    return {unit: words.texts[f"age.{unit}"] for unit in ("seconds", "minutes", "hours", "days")}


def map_words(words: Words) -> dict[str, str]:
    """Return the texts of the map's tooltips."""
    origins = {origin: words.name("origin", origin) for origin in ("real", "simulated", "replayed")}
    return {**origins, "many": words.t("fleet.many"), "alerts": words.t("fleet.with_alerts")}


def plot_words(words: Words) -> dict[str, str]:
    """Return the texts that plots draw themselves."""
    wheels = ("front-left", "front-right", "rear-left", "rear-right")
    names = ("time", "placard", "no_data", "cell_low", "cell_high", "cell_middle_low", "cell_middle_high")
    return {
        "peers p5": words.t("vehicle.peers_low"),
        "peers p50": words.t("vehicle.peers_middle"),
        "peers p95": words.t("vehicle.peers_high"),
        **{wheel: words.name("wheel", wheel) for wheel in wheels},
        **{name: words.t(f"vehicle.{name}") for name in names},
        "cell": words.t("component.cell", which="{n}"),
        "soc": words.t("vehicle.soc"),
        "speed": words.t("vehicle.speed"),
    }

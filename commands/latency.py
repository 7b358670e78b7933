"""Measure from the published reading to the owner's phone, on an installation of its own."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.running import TENANT
from data.db import connect
from data.errors import AnxinError
from data.installation import Endpoints, Installation
from data.keys import load_push_keys
from data.reference import NEVER_QUIET, VehicleRegistration, load_reference, register_vehicles
from data.settings import Settings
from simulators.hazard_stream import Streamed, StreamPlan, publish_stream, vins_of
from simulators.push_endpoint import PushEndpoint

if TYPE_CHECKING:
    from alerts.bench.latency import Passage

#: All that a vehicle's hazard passes, and what works beside it on a machine that serves a fleet.
_SERVICES = ("ingest", "watch", "score", "route", "notify", "maintain")
#: The demo's stations are few for so many hazards in a minute: each gets so many times its bays and people.
_WIDER, _PIECES = 6, 1000
_READY_S, _LAST_S = 60.0, 20.0
_FAMILIES = {"alarm": "event", "insulation": "drive"}


class LatencyError(AnxinError):
    """The installation did not become ready, or the stream broke off."""


def bench_latency(
    settings: Settings,
    *,
    rate: int,
    seconds: float,
    hazards_per_s: float,
    warm_up_s: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Publish a steady stream with hazards in it and follow each to the decrypted push message.

    Args:
        settings: Of the environment; database and broker are embedded unless given.
        rate: Messages a second, one of each vehicle.
        seconds: How long hazards come.
        hazards_per_s: At a steady pace, on vehicles in turn.
        warm_up_s: Stream without hazards before; a hazard found by a rule needs its evidence first.
        tell: Called with what is going on.

    Raises:
        LatencyError: A service does not become ready, or the stream breaks off.
    """
    from alerts.bench.latency import summarise
    from models.watch.insulation import InsulationRule

    evidence_s = InsulationRule().least_us / 1e6
    plan = StreamPlan(
        tenant=TENANT,
        vins=tuple(vins_of(rate)),
        boot=f"b{secrets.token_hex(4)}",
        warm_up_s=max(warm_up_s, evidence_s + 1.0),
        seconds=seconds,
        hazards=min(rate, int(seconds * hazards_per_s)),
        evidence_s=evidence_s,
    )
    with tempfile.TemporaryDirectory(prefix="anxin-latency-", ignore_cleanup_errors=True) as home:
        settings = replace(settings, home=home, push_allow_loopback=True, gateway_port=0)
        with Installation(settings, os.environ, services=_SERVICES) as installation:
            tell("starting PostgreSQL, the broker and the services")
            endpoints = installation.start_servers()
            pushed: dict[str, float] = {}

            def note(message: Mapping[str, Any]) -> None:
                pushed.setdefault(str(message["warning_id"]), time.time())

            with PushEndpoint(note, public_key=load_push_keys(settings.home_path).public_key) as endpoint:
                _prepare(endpoints.database_url, plan, endpoint)
                installation.start_services()
                _wait_until_ready(endpoints.database_url, installation)
                tell(f"{rate} messages/s, hazards after {plan.warm_up_s:.0f} s for {seconds:.0f} s")
                streamed, seen = _stream(endpoints, plan, pushed, installation)
                passages, told = _follow(endpoints.database_url, streamed, seen, pushed)
    return {
        "rate_messages_per_s": round(streamed.messages / streamed.seconds, 1),
        "seconds": seconds,
        "warm_up_s": plan.warm_up_s,
        "vehicles": rate,
        "broker": endpoints.broker,
        "processors": os.cpu_count(),
        "services": list(_SERVICES),
        **summarise(passages, told=told),
        "generator_longest_lag_ms": round(1000 * streamed.longest_lag_s, 1),
        "slowest": [_trace(p) for p in sorted(passages, key=_duration)[-3:]],
    }


def _prepare(database_url: str, plan: StreamPlan, endpoint: PushEndpoint) -> None:
    from alerts.bench import latency_store as store
    from api.store import upsert_subscription

    now = datetime.now(UTC)
    with connect(database_url, name="anxin-bench") as connection:
        load_reference(connection, tenant=TENANT)
        store.widen_network(connection, times=_WIDER, pieces=_PIECES)
        places = store.fetch_places(connection)
        registrations = [
            VehicleRegistration(
                vin=vin,
                model_id="anxin-sedan-96-ncm",
                owner_name=f"bench {n}",
                home_lat=places[n % len(places)][0],
                home_lon=places[n % len(places)][1],
                quiet=NEVER_QUIET,
            )
            for n, vin in enumerate(plan.vins)
        ]
        register_vehicles(connection, tenant=TENANT, vehicles=registrations)
        for owner_id in store.fetch_owners(connection):
            upsert_subscription(connection, owner_id=owner_id, now=now, **asdict(endpoint.subscribe()))


def _wait_until_ready(database_url: str, installation: Installation) -> None:
    from alerts.bench.latency_store import fetch_ready

    until = time.monotonic() + _READY_S
    wanted = set(_SERVICES)
    while wanted:
        if time.monotonic() > until:
            raise LatencyError(f"services {', '.join(sorted(wanted))}: not ready within {_READY_S:.0f} s")
        installation.tend()
        with connect(database_url, name="anxin-bench") as connection:
            wanted = set(_SERVICES) - fetch_ready(connection)
        time.sleep(0.2)


def _stream(
    endpoints: Endpoints, plan: StreamPlan, pushed: Mapping[str, float], installation: Installation
) -> tuple[Streamed, dict[tuple[str, str], float]]:
    from alerts.bench.latency_store import Observer

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    url = endpoints.mqtt_urls["simulator"]
    with Observer(endpoints.database_url) as observer:
        process = context.Process(target=publish_stream, args=(url, plan, theirs), daemon=True)
        process.start()
        theirs.close()
        while not ours.poll(0.5):
            installation.tend()
            if not process.is_alive() and not ours.poll():
                raise LatencyError(f"the stream broke off with exit code {process.exitcode}")
        streamed: Streamed = ours.recv()
        process.join(10.0)
        until = time.monotonic() + _LAST_S
        while len(pushed) < len(streamed.strikes) and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(2.0)  # what is too much comes later
    return streamed, observer.seen


def _follow(
    database_url: str, streamed: Streamed, seen: Mapping[tuple[str, str], float], pushed: Mapping[str, float]
) -> tuple[list[Passage], set[tuple[str, str]]]:
    from alerts.bench.latency import Passage
    from alerts.bench.latency_store import fetch_committed, fetch_told, fetch_warned

    with connect(database_url, name="anxin-bench") as connection:
        hazards = [
            (s.vin, _FAMILIES[s.kind], datetime.fromtimestamp(s.time_ms / 1000, UTC))
            for s in streamed.strikes
        ]
        committed = fetch_committed(connection, hazards)
        told, warned = fetch_told(connection), fetch_warned(connection)
    first: dict[tuple[str, str], float] = {}
    for row in told:
        at = seen.get((row["kind"], str(row["id"])))
        if at is not None and row["is_booked"]:
            key = (row["vin"], row["kind"])
            first[key] = min(at, first.get(key, at))
    phones: dict[str, float] = {}
    for warning_id, at in pushed.items():
        if warning_id in warned:
            phones[warned[warning_id]] = min(at, phones.get(warned[warning_id], at))
    passages = [
        Passage(
            vin=s.vin,
            kind=s.kind,
            published=s.published_at,
            committed=committed[s.vin].timestamp() if s.vin in committed else None,
            predicted=first.get((s.vin, "prediction")) if s.kind == "insulation" else None,
            ordered=first.get((s.vin, "order")),
            pushed=phones.get(s.vin),
        )
        for s in streamed.strikes
    ]
    return passages, {(row["vin"], str(row["id"])) for row in told if row["kind"] == "order"}


def _duration(passage: Passage) -> float:
    return (passage.pushed or float("inf")) - passage.published


def _trace(passage: Passage) -> dict[str, Any]:
    """Return one hazard's way, ms after it was published."""
    traced = asdict(passage)
    published = traced.pop("published")
    return {
        name: round(1000 * (value - published), 1) if isinstance(value, float) else value
        for name, value in traced.items()
    }
